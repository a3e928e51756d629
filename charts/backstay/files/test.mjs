// What `helm test` runs in the image of Backstay: a backup of the server beside it, a restore of that backup into an empty
// database, and the comparison of what came back. Everything that it creates it removes, whatever happened.
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

const account = '/var/run/secrets/kubernetes.io/serviceaccount';
const { NAMESPACE: namespace, NAME: name, TOOL_IMAGE: image, ROWS: rows } = process.env;
const server = `https://${process.env.KUBERNETES_SERVICE_HOST}:${process.env.KUBERNETES_SERVICE_PORT_HTTPS}`;
const root = `${server}/apis/backstay.dev/v1alpha1/namespaces/${namespace}`;
const pathOf = { BackupPolicy: 'backuppolicies', BackupRun: 'backupruns', RestoreRequest: 'restorerequests' };

const target = { service: name, tls: { mode: 'Disable' } };
const objects = {
  BackupPolicy: {
    engine: 'PostgreSQL',
    target: { ...target, credentials: { backup: { secretName: name } } },
    toolImages: { dump: image },
    stores: [{ name: 'claim', filesystem: { claimName: name } }],
  },
  BackupRun: { policyName: name, method: 'Dump', dump: { databases: ['source'] } },
  RestoreRequest: {
    source: { runName: name },
    target: { ...target, database: 'target', credentials: { admin: { secretName: name } } },
  },
};

async function api(method, path, body) {
  const answer = await fetch(`${root}/${path}`, {
    method,
    headers: {
      authorization: `Bearer ${readFileSync(`${account}/token`, 'utf8')}`,
      'content-type': 'application/json',
    },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(15_000),
  });
  if (answer.status === 404) return undefined;
  const said = await answer.json();
  if (!answer.ok) throw new Error(`${method} ${path}: ${said.message}`);
  return said;
}

const create = (kind) =>
  api('POST', `${pathOf[kind]}?fieldValidation=Strict`, {
    apiVersion: 'backstay.dev/v1alpha1',
    kind,
    metadata: { name },
    spec: objects[kind],
  });

// The limit is that of `helm test --timeout`.
async function end(kind) {
  for (let last = ''; ; await pause(500)) {
    const { status = {} } = (await api('GET', `${pathOf[kind]}/${name}`)) ?? {};
    const { phase = 'Pending', failure } = status;
    if (phase !== last) console.log(`${kind} ${name}: ${phase}`);
    last = phase;
    if (phase === 'Succeeded') return status;
    if (phase === 'Failed') throw new Error(`${failure.reason}: ${failure.message}. ${failure.hint}`);
  }
}

async function remove(kind) {
  await api('DELETE', `${pathOf[kind]}/${name}`);
  while ((await api('GET', `${pathOf[kind]}/${name}`)) !== undefined) await pause(500);
}

// What an earlier test that was killed may have left.
for (const kind of ['RestoreRequest', 'BackupRun', 'BackupPolicy']) await remove(kind);
try {
  await create('BackupPolicy');
  await create('BackupRun');
  const { size, duration } = await end('BackupRun');
  console.log(`backed up: ${size} in ${duration}`);
  await create('RestoreRequest');
  const { result } = await end('RestoreRequest');
  console.log(`restored and compared: ${result.rowCount} rows in ${result.tableCount} tables`);
  if (result.rowCount !== Number(rows)) throw new Error(`${rows} rows were backed up`);
} catch (error) {
  console.error(`FAILED: ${error.message}`);
  process.exitCode = 1;
} finally {
  for (const kind of ['RestoreRequest', 'BackupRun', 'BackupPolicy']) await remove(kind);
}
