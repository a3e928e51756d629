import { type Clock, sleep } from '../base/clock.ts';
import type { Objects } from '../cluster/objects.ts';
import type { ObjectKey, Resource } from '../cluster/resource.ts';
import { exitCodes } from './exit-codes.ts';

export interface WaitTarget extends ObjectKey {
  kind: 'BackupRun' | 'RestoreRequest';
}

/**
 * Waits until every run and request has ended, saying each change of phase. The answer is the exit code: the outcome, not
 * the fact that the wait is over. An object that is deleted meanwhile has failed.
 */
export async function waitForEnd(
  objects: Objects,
  clock: Clock,
  targets: readonly WaitTarget[],
  timeoutMs: number,
  say: (line: string) => void,
): Promise<number> {
  const endMs = clock.nowMs() + timeoutMs;
  const said = new Map<WaitTarget, string>();
  const open = new Set(targets);
  let code: number = exitCodes.done;
  for (;;) {
    for (const target of [...open]) {
      const object = await objects.get(target.kind, target);
      const { phase, line } = describe(target, object);
      if (said.get(target) !== line) say(line);
      said.set(target, line);
      if (!['Succeeded', 'Failed', 'Gone'].includes(phase)) continue;
      open.delete(target);
      if (phase !== 'Succeeded') code = exitCodes.failed;
    }
    if (open.size === 0) return code;
    if (clock.nowMs() >= endMs) {
      for (const { kind, name } of open) say(`${kind} ${name}: still at work; the wait is over, the work goes on`);
      return code === exitCodes.done ? exitCodes.timedOut : code;
    }
    await sleep(clock, 200);
  }
}

function describe(target: WaitTarget, object: Resource | undefined): { phase: string; line: string } {
  const label = `${target.kind} ${target.name}`;
  if (object === undefined) return { phase: 'Gone', line: `${label}: deleted` };
  const { phase = 'Pending', failure } = (object.status ?? {}) as {
    phase?: string;
    failure?: { reason: string; message: string; hint: string };
  };
  if (failure === undefined) return { phase, line: `${label}: ${phase}` };
  return { phase, line: `${label}: ${phase}, ${failure.reason}: ${failure.message}\n  next: ${failure.hint}` };
}
