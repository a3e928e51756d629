import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/base/clock.ts';
import type { ObjectChange } from '../../../src/cluster/objects.ts';
import { type Kind, keyOf, kinds } from '../../../src/cluster/resource.ts';
import { readEvents } from '../../../src/cluster/standalone/events.ts';
import { becomeOperator, openHome } from '../../../src/cluster/standalone/home.ts';
import { createObjects } from '../../../src/cluster/standalone/objects.ts';
import { eventually } from '../../harness/eventually.ts';
import { FakeClock } from '../../harness/fake-clock.ts';
import { ownerReferenceTo, sampleDraft } from './samples.ts';
import { admit, freshHome, objectsOf, silentLog } from './standalone-home.ts';

const repository = new URL('../../..', import.meta.url).pathname;

const children = new Set<ChildProcess>();

/** Another process with the home open as `objects`; resolves when it has said the word, by itself before the script. */
async function processWith(directory: string, script: string, word = 'open'): Promise<ChildProcess> {
  const prologue = `
    import { openHome, becomeOperator } from './src/cluster/standalone/home.ts';
    import { createObjects } from './src/cluster/standalone/objects.ts';
    import { systemClock as clock } from './src/base/clock.ts';
    const log = { debug() {}, warn() {} };
    const home = await openHome(process.argv[1], clock);
    const objects = createObjects({ home, admit: (kind, spec) => spec, clock, log });
    const draft = (name) => ({ kind: 'BackupRun', metadata: { name, namespace: 'prod' }, spec: {} });
    console.log('open');
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', prologue + script, directory], {
    cwd: repository,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (text: Buffer) => {
      said += text.toString();
      if (said.includes(word)) resolve();
    });
    child.once('exit', (code) => reject(new Error(`ended early with ${code}`)));
  });
  return child;
}

const closed = async (child: ChildProcess): Promise<number | null> => {
  if (child.exitCode === null && child.signalCode === null) await new Promise((resolve) => child.once('exit', resolve));
  return child.exitCode;
};

async function filesUnder(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

describe('a standalone home', () => {
  let under: Awaited<ReturnType<typeof freshHome>>;
  beforeEach(async () => {
    under = await freshHome();
  });
  afterEach(async () => {
    for (const child of children) child.kill('SIGKILL');
    children.clear();
    await under.cleanup();
  });

  it('keeps its name and its objects from one process to the next', async () => {
    const object = await objectsOf(under.home).create(sampleDraft('BackupRun', 'prod', 'kept'));
    const again = await openHome(under.home.directory, systemClock);
    expect(again.homeId).toBe(under.home.homeId);
    expect(await objectsOf(again).get('BackupRun', keyOf(object))).toEqual(object);
    again.close();
  });

  it('gets one name when two processes make it at once', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'backstay-home-'));
    const homes = await Promise.all([1, 2, 3, 4].map(() => openHome(directory, systemClock)));
    expect(new Set(homes.map(({ homeId }) => homeId)).size).toBe(1);
    for (const home of homes) home.close();
    await rm(directory, { recursive: true });
  });

  it('is closed to others: directories 0700, files 0600', async () => {
    const object = await objectsOf(under.home).create(sampleDraft('BackupRun', 'prod', 'closed'));
    await objectsOf(under.home).recordEvent(object, { type: 'Normal', reason: 'Running', message: 'x' });
    for (const file of await filesUnder(under.home.objects)) expect((await stat(file)).mode & 0o777).toBe(0o600);
    for (const place of [under.home.objects, under.home.secrets, under.home.tasks, under.home.events]) {
      expect((await stat(place)).mode & 0o777).toBe(0o700);
    }
  });

  it('is refused when others may write to it', async () => {
    await chmod(under.home.directory, 0o770);
    await expect(openHome(under.home.directory, systemClock)).rejects.toMatchObject({
      reason: 'SpecInvalid',
      hint: expect.stringContaining('chmod go-w'),
    });
  });

  it('is refused when a newer Backstay wrote it', async () => {
    await writeFile(join(under.home.directory, 'home.json'), JSON.stringify({ homeId: 'x', version: 2 }));
    await expect(openHome(under.home.directory, systemClock)).rejects.toMatchObject({ reason: 'NotSupportedHere' });
  });

  it('loads after kill -9 at any point, without a torn object or a leftover', async () => {
    const writer = `
      const pad = 'x'.repeat(20_000);
      for (let n = 0; ; n++) {
        const name = 'object-' + (n % 5);
        const object = await objects.get('BackupRun', { namespace: 'prod', name });
        const act = object === undefined
          ? objects.create({ ...draft(name), metadata: { ...draft(name).metadata, finalizers: n % 3 ? ['backstay.dev/task'] : [] } })
          : n % 7 === 0
            ? objects.replaceFinalizers(object, []).then(() => objects.delete('BackupRun', object.metadata))
            : n % 11 === 0
              ? objects.recordEvent(object, { type: 'Normal', reason: 'Running', message: 'round ' + n })
              : objects.replaceStatus(object, { first: n, pad, last: n });
        await act.catch((error) => { if (error.name !== 'ObjectsError') throw error; });
      }
    `;
    for (let round = 0; round < 6; round++) {
      const writers = await Promise.all([1, 2, 3, 4].map(() => processWith(under.home.directory, writer)));
      await Promise.all(
        writers.map(async (child) => {
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
          child.kill('SIGKILL');
          await closed(child);
        }),
      );
      const home = await openHome(under.home.directory, systemClock);
      for (const file of await filesUnder(home.objects)) {
        expect(file).not.toContain('.tmp');
        if (!file.endsWith('.json')) continue;
        const { metadata, status } = JSON.parse(await readFile(file, 'utf8'));
        expect(metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
        if (status !== undefined)
          expect(status).toEqual({ first: status.last, pad: 'x'.repeat(20_000), last: status.last });
      }
      await objectsOf(home).list('BackupRun');
      home.close();
    }
  }, 180_000);

  it('loses no write between processes: four of them count one counter', async () => {
    const object = await objectsOf(under.home).create(sampleDraft('BackupRun', 'prod', 'counter'));
    const counter = `
      for (let done = 0; done < 25; ) {
        const object = await objects.get('BackupRun', { namespace: 'prod', name: 'counter' });
        const count = (object.status?.count ?? 0) + 1;
        await objects.replaceStatus(object, { count }).then(() => done++, (error) => {
          if (error.code !== 'Conflict') throw error;
        });
      }
    `;
    const counters = await Promise.all([1, 2, 3, 4].map(() => processWith(under.home.directory, counter)));
    expect(await Promise.all(counters.map(closed))).toEqual([0, 0, 0, 0]);
    expect((await objectsOf(under.home).get('BackupRun', keyOf(object)))?.status).toEqual({ count: 100 });
  });

  it.each([
    ['at once by a hint', 600_000],
    ['at the next scan when no hint comes', 100],
  ])('sees what another process wrote, %s', async (_how, rescanMs) => {
    const objects = createObjects({ home: under.home, admit, clock: systemClock, log: silentLog, rescanMs });
    const seen: ObjectChange[] = [];
    const watching = new AbortController();
    await objects.watch('BackupRun', (change) => seen.push(change), watching.signal);
    const quiet =
      rescanMs === 100
        ? `await import('node:fs').then((fs) => fs.rmSync(home.objects + '/changed', { force: true }));`
        : '';
    await closed(await processWith(under.home.directory, `${quiet} await objects.create(draft('from-afar'));`));
    await eventually(() => expect(seen.map(({ object }) => object.metadata.name)).toContain('from-afar'));
    watching.abort();
  });

  it('takes away at the next start what a killed deletion left without an owner', async () => {
    const objects = objectsOf(under.home);
    const policy = await objects.create(sampleDraft('BackupPolicy', 'prod', 'owner'));
    const owned = { ownerReferences: [ownerReferenceTo(policy)] };
    const run = await objects.create(sampleDraft('BackupRun', 'prod', 'owned', owned));
    await rm(join(under.home.objects, 'BackupPolicy', 'prod', 'owner.json'));
    const watching = new AbortController();
    await objects.watch('BackupRun', () => undefined, watching.signal);
    watching.abort();
    expect(await objects.get('BackupRun', keyOf(run))).toBeUndefined();
  });

  it('lists the others when one file is not an object, and names it when it is asked for', async () => {
    const objects = objectsOf(under.home);
    await objects.create(sampleDraft('BackupRun', 'prod', 'good'));
    const file = join(under.home.objects, 'BackupRun', 'prod', 'bad.json');
    await writeFile(file, '{ not json');
    expect((await objects.list('BackupRun')).map(({ metadata }) => metadata.name)).toEqual(['good']);
    await expect(objects.get('BackupRun', { namespace: 'prod', name: 'bad' })).rejects.toMatchObject({
      code: 'Invalid',
      message: expect.stringContaining(file),
    });
  });

  it('applies as kubectl does: created, unchanged, configured', async () => {
    const objects = objectsOf(under.home);
    const draft = sampleDraft('BackupPolicy', 'prod', 'shop');
    const created = await objects.apply(draft);
    expect(created.change).toBe('created');
    expect(await objects.apply(draft)).toEqual({ change: 'unchanged', object: created.object });
    const configured = await objects.apply({ ...draft, spec: { ...(draft.spec as object), suspend: true } });
    expect(configured).toMatchObject({ change: 'configured', object: { metadata: { generation: 2 } } });
    const labelled = await objects.apply({
      ...draft,
      metadata: { ...draft.metadata, labels: { a: 'b' } },
      spec: configured.object.spec,
    });
    expect(labelled).toMatchObject({
      change: 'configured',
      object: { metadata: { generation: 2, labels: { a: 'b' } } },
    });
    await expect(objects.apply({ ...draft, spec: {} })).rejects.toMatchObject({ code: 'Invalid' });
  });

  it('has one operator: a second is refused, until the first is gone, however it went', async () => {
    const child = await processWith(
      under.home.directory,
      `becomeOperator(home); console.log('operator'); setInterval(() => {}, 1000);`,
      'operator',
    );
    const again = (): { release(): void } => becomeOperator(under.home);
    expect(again).toThrow(expect.objectContaining({ reason: 'NotSupportedHere', where: under.home.directory }));
    child.kill('SIGKILL');
    await closed(child);
    again().release();
    again().release();
  });

  it('counts an event that comes again, and keeps the last hundred', async () => {
    const clock = new FakeClock();
    const objects = createObjects({ home: under.home, admit, clock, log: silentLog });
    const object = await objects.create(sampleDraft('BackupRun', 'prod', 'noisy'));
    const event = (message: string) => ({ type: 'Warning' as const, reason: 'ToolFailed', message });
    await objects.recordEvent(object, event('same'));
    await clock.advance(5_000);
    await objects.recordEvent(object, event('same'));
    expect(await readEvents(under.home.events, 'BackupRun', keyOf(object))).toEqual([
      { ...event('same'), count: 2, first: '2026-01-01T00:00:00Z', last: '2026-01-01T00:00:05Z' },
    ]);
    for (let at = 0; at < 120; at++) await objects.recordEvent(object, event(`number ${at}`));
    const kept = await readEvents(under.home.events, 'BackupRun', keyOf(object));
    expect(kept).toHaveLength(100);
    expect(kept.at(-1)?.message).toBe('number 119');
    await objects.delete('BackupRun', keyOf(object));
    expect(await readEvents(under.home.events, 'BackupRun', keyOf(object))).toEqual([]);
  });

  it('answers with errors of the port when the disk refuses', async () => {
    const objects = objectsOf(under.home);
    await rm(under.home.objects, { recursive: true });
    await writeFile(under.home.objects, 'a file in the way');
    const kind: Kind = kinds[0];
    await expect(objects.create(sampleDraft(kind, 'prod', 'x'))).rejects.toMatchObject({
      name: 'ObjectsError',
      code: 'Unavailable',
    });
  });
});
