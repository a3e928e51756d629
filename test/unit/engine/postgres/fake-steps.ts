import type { ServerAccess, StepOutput, Steps } from '../../../../src/engine/engine.ts';
import type { Bytes } from '../../../../src/stream/bytes.ts';

export const access: ServerAccess = {
  host: 'shop-db',
  port: 5432,
  username: 'backup',
  password: 'se:cret',
  tls: { mode: 'Disable' },
  applicationName: 'backstay prod/shop',
};

/** A tool container that says the same to every tool and keeps what it was asked. */
export class FakeSteps implements Steps {
  readonly calls: (readonly string[])[] = [];
  readonly secrets: Record<string, string> = {};
  readonly #answer: StepOutput;

  constructor(answer: Partial<StepOutput> = {}) {
    this.#answer = { stdout: '', stderr: '', ...answer };
  }

  read(args: readonly string[]): Bytes {
    this.calls.push(args);
    return none();
  }

  async run(args: readonly string[]): Promise<StepOutput> {
    this.calls.push(args);
    return this.#answer;
  }

  async write(args: readonly string[], input: Bytes): Promise<StepOutput> {
    for await (const _chunk of input);
    return this.run(args);
  }

  async writeSecret(name: string, content: string): Promise<string> {
    this.secrets[name] = content;
    return `/private/${name}`;
  }
}

export async function* none(): AsyncGenerator<Uint8Array, void, undefined> {
  yield* [];
}
