import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bringUpCluster, type SettledCluster } from '../../harness/cluster/cluster.ts';
import { kubectl } from '../../harness/cluster/kubectl.ts';
import { checkoutDir } from '../../harness/cluster/paths.ts';
import { tellOnStderr } from '../../harness/cluster/story.ts';
import { helm } from '../../harness/helm.ts';
import { readersShell } from '../../harness/kubectl-commands.ts';
import { kindsOnly } from '../../harness/kubernetes-operator.ts';

// The first run on a machine builds Kubernetes and helm from source.
const coldMs = 30 * 60_000;
const patienceMs = 10 * 60_000;

/** The blocks of the section, in order; a block of YAML with the name of the file that the text before it tells to save it as. */
function blocks(): { language: string; text: string; file: string | undefined }[] {
  const page = readFileSync(join(checkoutDir, 'README.md'), 'utf8');
  const [, section = ''] = page.split('## In Kubernetes (1.29 or newer), with Helm');
  return [...(section.split('\n## ')[0] ?? '').matchAll(/([^`]*(?:`[^`]+`[^`]*)*)```(\w+)\n(.*?)```/gs)].map(
    ([, before = '', language = '', text = '']) => ({
      language,
      text,
      file: /[Ss]ave it as `([^`]+)`/.exec(before)?.[1],
    }),
  );
}

describe('the Helm way of the README, word by word', () => {
  let cluster: SettledCluster;
  let shell: (command: string) => Promise<string>;
  const place = mkdtempSync(join(tmpdir(), 'backstay-readme-'));
  const said: string[] = [];

  beforeAll(async () => {
    cluster = await bringUpCluster({ tell: tellOnStderr });
    await helm(['version'], { tell: tellOnStderr });
    // As a new user finds it: no operator. The kinds would come with the chart; that they are there does not matter to it.
    await kindsOnly(cluster);
    await clean();
    shell = await readersShell(cluster, {
      directory: place,
      namespace: 'default',
      kubeconfig: join(place, 'kubeconfig'),
    });
    for (const name of ['charts', 'examples']) symlinkSync(join(checkoutDir, name), join(place, name));
  }, coldMs);

  afterAll(async () => {
    await clean();
    await kindsOnly(cluster);
    rmSync(place, { recursive: true, force: true });
  }, patienceMs);

  const clean = (): Promise<string> =>
    kubectl(['delete', 'namespace', 'shop', '--ignore-not-found', '--timeout=120s'], { cluster });

  it(
    'every command does what it says, and ends in a restore that is proven',
    async () => {
      const all = blocks();
      expect(all.map(({ language }) => language)).toEqual(['sh', 'sh', 'yaml', 'sh', 'yaml', 'sh']);
      for (const { language, text, file } of all) {
        if (language === 'yaml') {
          writeFileSync(join(place, file ?? ''), text);
          continue;
        }
        for (const command of text.trim().split('\n')) {
          // The cluster of the tests has the image already, as the README says.
          if (!command.startsWith('docker ')) said.push(await shell(command));
        }
      }
      expect(said.at(-1)).toMatch(/first-proof.*Succeeded.*1000 rows/);
    },
    patienceMs,
  );

  it('the policy has 15 lines at most', () => {
    const policy = blocks().find(({ file }) => file === 'policy.yaml');
    expect(policy?.text.trim().split('\n').length).toBeLessThanOrEqual(15);
  });

  it(
    'helm test proves a backup and leaves nothing, as it says',
    async () => {
      const before = await shell('kubectl get all,pvc,secret,bp,br,rr -n backstay-system -o name');
      expect(await shell('helm test backstay -n backstay-system')).toContain('Phase:          Succeeded');
      expect(await shell('kubectl get all,pvc,secret,bp,br,rr -n backstay-system -o name')).toBe(before);
    },
    patienceMs,
  );
});
