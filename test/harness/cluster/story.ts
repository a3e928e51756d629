/** Tells the user one thing that was done, and how long it took. */
export type Tell = (line: string) => void;

export const silent: Tell = () => undefined;

export const tellOnStderr: Tell = (line) => {
  process.stderr.write(`${line}\n`);
};

/** Runs `work` and tells `what` with its seconds when it is over; a failure is told too and thrown on. */
export async function timed<T>(tell: Tell, what: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const seconds = (): string => ((performance.now() - started) / 1000).toFixed(1).padStart(6);
  try {
    const result = await work();
    tell(`${seconds()} s  ${what}`);
    return result;
  } catch (thrown) {
    tell(`${seconds()} s  ${what}: FAILED`);
    throw thrown;
  }
}
