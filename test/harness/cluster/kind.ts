import { join } from 'node:path';
import { imageName } from './backstay-image.ts';
import { cacheDir, checkoutDir } from './paths.ts';
import { run, succeeds } from './run.ts';
import { type Tell, timed } from './story.ts';

const clusterName = 'backstay';
export const kindKubeconfig = join(cacheDir, 'kind-kubeconfig');

/** Why kind cannot be used here; undefined when it can. */
export async function whyNoKind(): Promise<string | undefined> {
  if (!(await succeeds('docker', ['info'], { timeoutMs: 10_000 }))) return 'no Docker daemon answers';
  if (!(await succeeds('kind', ['version']))) return 'Docker runs, but there is no `kind`';
  return undefined;
}

/** Makes the kind cluster unless it is there, and loads the project's image into it, built by Docker. */
export async function bringUpKind(tell: Tell): Promise<void> {
  const clusters = (await run('kind', ['get', 'clusters'])).split('\n');
  if (!clusters.includes(clusterName)) {
    const create = ['create', 'cluster', '--name', clusterName, '--kubeconfig', kindKubeconfig, '--wait', '120s'];
    await timed(tell, 'made a kind cluster', () => run('kind', create));
  }
  await timed(tell, `built the image ${imageName}`, () =>
    run('docker', ['build', '--quiet', '--tag', imageName, checkoutDir]),
  );
  await timed(tell, `loaded ${imageName} into kind`, () =>
    run('kind', ['load', 'docker-image', imageName, '--name', clusterName]),
  );
}

/** Removes the kind cluster; nothing happens when there is none. */
export async function takeDownKind(tell: Tell): Promise<void> {
  const remove = ['delete', 'cluster', '--name', clusterName, '--kubeconfig', kindKubeconfig];
  await timed(tell, 'removed the kind cluster', () => run('kind', remove));
}
