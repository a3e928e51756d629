import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Objects } from '../../cluster/objects.ts';
import { kinds } from '../../cluster/resource.ts';
import { readEvents } from '../../cluster/standalone/events.ts';
import type { Home } from '../../cluster/standalone/home.ts';
import { agentLog } from '../../cluster/standalone/task-files.ts';
import type { ReportSection } from './section.ts';

const lastLines = 100;

/** What a report holds of a home beside the objects: events, and the logs of its tasks. No secret file is opened. */
export function homeSections(home: Home, objects: Objects, namespace: string | undefined): ReportSection[] {
  return [
    {
      name: 'events',
      gather: async () => {
        const all = (await Promise.all(kinds.map((kind) => objects.list(kind, namespace)))).flat();
        const told = await Promise.all(
          all.map(async ({ kind, metadata }) => ({
            kind,
            namespace: metadata.namespace,
            name: metadata.name,
            events: await readEvents(home.events, kind, metadata),
          })),
        );
        return told.filter(({ events }) => events.length > 0);
      },
    },
    { name: 'taskLogs', gather: () => taskLogs(home.tasks, namespace) },
  ];
}

async function taskLogs(tasks: string, only: string | undefined): Promise<object> {
  const logs: [string, string][] = [];
  for (const namespace of only === undefined ? await namesIn(tasks) : [only]) {
    for (const task of await namesIn(join(tasks, namespace))) {
      const log = await readFile(agentLog(join(tasks, namespace, task)), 'utf8').catch(() => undefined);
      if (log !== undefined) logs.push([`${namespace}/${task}`, log.split('\n').slice(-lastLines).join('\n')]);
    }
  }
  return Object.fromEntries(logs);
}

const namesIn = (directory: string): Promise<string[]> => readdir(directory).catch(() => []);
