import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemClock } from '../../../src/base/clock.ts';
import type { TaskSpec } from '../../../src/cluster/runner.ts';
import type { Home } from '../../../src/cluster/standalone/home.ts';
import { createRunner, type RunnerOptions } from '../../../src/cluster/standalone/runner.ts';
import type { Task } from '../../../src/contract/task.ts';
import { freshHome, silentLog } from './standalone-home.ts';

/**
 * The agent of the tests, in sh: `agent --root DIR`. What to do stands in `object` of its task. `tool` and `stubborn`
 * are beside the contract: a step of the tool loop that runs on, and an agent that does not hear TERM.
 */
const agent = `
root=$3
report() { echo '{"outcome":"no-manifest"}' >"$root/report.json"; }
echo run >>"$root/runs"
case $(cat "$root/task.json") in
  *test/reports*) report ;;
  *test/silent*) exit 3 ;;
  *test/sleeps*) trap 'kill $!; exit 143' TERM; sleep 600 & echo $! >"$root/sleeper"; wait ;;
  *test/stubborn*) trap '' TERM; : >"$root/deaf"; while :; do sleep 1; done ;;
  *test/reads-secret*) [ "$(cat "$root/secrets/door/word")" = sesame ] && report || exit 3 ;;
  *test/environment*) env >"$root/environment"; report ;;
  *test/tool*)
    mkdir "$root/work/step-1"
    echo 'exec sleep 600' >"$root/work/step-1/cmd"
    mkfifo "$root/work/control.new" "$root/work/step-1/out"
    exec 3<>"$root/work/step-1/out" 4<>"$root/work/control.new"
    mv "$root/work/control.new" "$root/work/control"
    echo 'run 1' >&4
    while [ ! -s "$root/work/step-1/pid" ]; do sleep 0.05; done
    cp "$root/work/step-1/pid" "$root/tool"
    while [ ! -e "$root/work/step-1/exit" ]; do sleep 0.05; done
    exit 5
    ;;
esac
`;

export type TestBehaviour = 'reports' | 'silent' | 'sleeps' | 'reads-secret' | 'stubborn' | 'environment' | 'tool';

export function runnerOf(home: Home, more: Partial<RunnerOptions> = {}) {
  return createRunner({
    home,
    clock: systemClock,
    log: silentLog,
    agentCommand: ['/bin/sh', '-c', agent, 'agent-of-the-test'],
    path: '/usr/local/bin:/usr/bin:/bin',
    graceMs: 1_000,
    lookMs: 50,
    ...more,
  });
}

export const namespace = 'prod';

export function taskSpec(name: string, behaviour: TestBehaviour, more: Partial<TaskSpec> = {}): TaskSpec {
  return {
    name,
    namespace,
    owner: { apiVersion: 'backstay.dev/v1alpha1', kind: 'BackupRun', name, uid: `uid-of-${name}`, controller: true },
    secrets: [],
    task: () => ({ taskVersion: 1, verb: 'inspect', object: `test/${behaviour}` }) as Task,
    tool: undefined,
    volumes: [],
    runningMs: 60_000,
    ...more,
  };
}

export async function putSecretFile(
  home: Home,
  name: string,
  data: Record<string, string>,
  mode = 0o600,
): Promise<void> {
  for (const [key, value] of Object.entries(data)) {
    const path = join(home.secrets, namespace, name, key);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, value, { mode });
  }
}

/** A home with a runner; `cleanup` ends every task. */
export async function freshRunner(more: Partial<RunnerOptions> = {}) {
  const { home, cleanup } = await freshHome();
  const runner = runnerOf(home, more);
  const started = new Set<string>();
  return {
    home,
    runner,
    spec(name: string, behaviour: TestBehaviour, changes: Partial<TaskSpec> = {}): TaskSpec {
      started.add(name);
      return taskSpec(name, behaviour, changes);
    },
    putSecret: (name: string, data: Record<string, string>) => putSecretFile(home, name, data),
    async cleanup() {
      await Promise.all([...started].map((name) => runner.remove({ namespace, name })));
      await cleanup();
    },
  };
}
