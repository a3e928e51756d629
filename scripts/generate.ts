// `npm run generate`: crds/*.yaml, what charts/backstay has of it, and docs/spec/ out of src/api. With --check nothing is written: a file
// that is not as it would be written, or that belongs to no kind any more, is named and the exit code is 1.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { customResourceDefinition } from '../src/api/crd.ts';
import { group, type KindName, kindNames, version } from '../src/api/names.ts';
import { configurationPage, referencePage } from '../src/api/reference.ts';
import { describedProgram } from '../src/cli/program.ts';
import { commandReference } from '../src/cli/reference.ts';
import { valuesSchema } from './values-schema.ts';

const examples: Record<KindName, string> = {
  BackupPolicy: 'examples/kubernetes/policy.yaml',
  BackupRun: 'examples/kubernetes/run.yaml',
  RestoreRequest: 'examples/kubernetes/restore.yaml',
  BackupGrant: 'examples/kubernetes/grant.yaml',
};

// A CRD beyond this grows too large for the annotation of `kubectl apply`.
const crdMaxBytes = 200 * 1024;

const wanted = new Map<string, string>();
for (const [kind, { plural }] of Object.entries(kindNames) as [KindName, { plural: string }][]) {
  const crd = `# Written by npm run generate. Change src/api and run it again.\n${stringify(customResourceDefinition(kind), { lineWidth: 120, aliasDuplicateObjects: false })}`;
  if (Buffer.byteLength(crd) > crdMaxBytes) throw new Error(`the CRD of ${kind} is larger than ${crdMaxBytes} bytes`);
  wanted.set(`crds/${group}_${plural}.yaml`, crd);
  wanted.set(`charts/backstay/files/crds/${plural}.yaml`, crd);
  wanted.set(`docs/spec/${version}/${kind}.md`, referencePage(kind, readFileSync(examples[kind], 'utf8')));
}

wanted.set('docs/spec/operator/configuration.md', configurationPage());

const directories = new Set([...wanted.keys()].map((path) => dirname(path)));

// It lies among files that are written by hand.
wanted.set('charts/backstay/values.schema.json', `${JSON.stringify(valuesSchema(), null, 2)}\n`);

const found = [...directories].flatMap((directory) => {
  mkdirSync(directory, { recursive: true });
  return readdirSync(directory).map((name) => join(directory, name));
});
// Beside pages that are written by hand: nothing else in its directory is looked at.
wanted.set('docs/cli.md', commandReference(describedProgram()));
const stale = [...wanted]
  .filter(([path, text]) => !existsSync(path) || readFileSync(path, 'utf8') !== text)
  .map(([path]) => path);
const orphans = found.filter((path) => !wanted.has(path));

if (process.argv.includes('--check')) {
  for (const path of stale) console.error(`${path} is stale: run npm run generate and commit it`);
  for (const path of orphans)
    console.error(`${path} belongs to no kind: run npm run generate and commit that it is gone`);
  process.exitCode = stale.length + orphans.length === 0 ? 0 : 1;
} else {
  for (const path of stale) {
    writeFileSync(path, wanted.get(path) ?? '');
    console.log(`wrote ${path}`);
  }
  for (const path of orphans) {
    rmSync(path);
    console.log(`removed ${path}`);
  }
}
