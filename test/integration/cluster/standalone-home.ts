import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { backupGrantSpec } from '../../../src/api/backup-grant.ts';
import { backupPolicySpec } from '../../../src/api/backup-policy.ts';
import { backupRunSpec } from '../../../src/api/backup-run.ts';
import { restoreRequestSpec } from '../../../src/api/restore-request.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { Fault } from '../../../src/base/fault.ts';
import type { Kind } from '../../../src/cluster/resource.ts';
import { openHome } from '../../../src/cluster/standalone/home.ts';
import { type Admit, createObjects } from '../../../src/cluster/standalone/objects.ts';

export const silentLog = pino({ level: 'silent' });

const schemas = {
  BackupPolicy: backupPolicySpec,
  BackupRun: backupRunSpec,
  RestoreRequest: restoreRequestSpec,
  BackupGrant: backupGrantSpec,
};

export const admit: Admit = (kind: Kind, spec: unknown) => {
  const parsed = schemas[kind].safeParse(spec);
  if (!parsed.success) throw new Fault('SpecInvalid', parsed.error.issues[0]?.message ?? 'invalid');
  return spec;
};

/** An empty home of its own; `cleanup` removes it. */
export async function freshHome() {
  const directory = await mkdtemp(join(tmpdir(), 'backstay-home-'));
  const home = await openHome(directory, systemClock);
  return {
    home,
    async cleanup() {
      home.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export const objectsOf = (home: Awaited<ReturnType<typeof openHome>>) =>
  createObjects({ home, admit, clock: systemClock, log: silentLog });
