import type { OperatorConfig } from '../api/operator-config.ts';
import type { Clock } from '../base/clock.ts';
import type { PlaceOpeners } from './place.ts';

/** What the commands act on and start; `main.ts` puts it together. Every role answers its exit code. */
export interface Surroundings extends PlaceOpeners {
  version: string;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  /** As the person calls this program: `backstay`, or `kubectl backstay`. */
  calledAs: string;
  /** The width of the terminal that errors go to; undefined when they go elsewhere. */
  columns: (() => number) | undefined;
  print(text: string): void;
  printError(text: string): void;
  /** Aborted when the person wants the command to end; from then on a second signal kills. */
  stopSignal(): AbortSignal;
  generateKey(): Promise<{ identity: string; recipient: string }>;
  runStandalone(options: { home: string; tools?: string; logLevel: string }): Promise<number>;
  runOperator(options: OperatorOptions): Promise<number>;
  runAgent(options: { root: string }): Promise<number>;
}

export interface OperatorOptions {
  kubeconfig?: string;
  context?: string;
  config: OperatorConfig & { image: string };
}

/** What a command gives back to the program. */
export interface Session extends Surroundings {
  /** The exit code of the command. Not called: 0. */
  end(code: number): void;
  /** From now on errors are also said in this form on the standard output. */
  answerIn(form: 'json' | 'yaml'): void;
}
