import { Fault } from '../../src/base/fault.ts';

/** The fault that ends the work; anything else, and a good end, is an error of the test. */
export async function faultOf(work: Promise<unknown>): Promise<Fault> {
  const thrown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (thrown instanceof Fault) return thrown;
  throw new Error(`expected a Fault, got ${thrown}`);
}
