import { bringUpCluster } from './cluster/cluster.ts';
import { goProgram } from './cluster/go-programs.ts';
import { tellOnStderr } from './cluster/story.ts';
import { installDebianPackages } from './debian.ts';
import { debianPostgres, newestPostgres } from './postgres-programs.ts';
import { promtoolProgram } from './promtool.ts';
import { buildVersitygw } from './versitygw.ts';

/**
 * Fetches what the tests of a tier need, once; the answer is the reason why they cannot run here. The rest is started by
 * the tests themselves.
 */
export async function prepareParts(
  tier: 'unit' | 'integration' | 'standalone' | 'cluster',
): Promise<string | undefined> {
  try {
    // Three shells for the quoting and the tool loop, the bare tools that must be able to read what we write.
    const packages = ['busybox', 'age', 'zstd', 'openssl', 'python3-pip'];
    if (tier === 'unit') return installDebianPackages(['busybox']);
    const missing = installDebianPackages(packages);
    if (missing !== undefined) return missing;
    newestPostgres();
    if (tier === 'integration') {
      debianPostgres();
      await promtoolProgram(tellOnStderr);
      await goProgram(tellOnStderr, 'glua');
    }
    await buildVersitygw();
    if (tier === 'cluster') {
      await bringUpCluster({ tell: tellOnStderr });
      await goProgram(tellOnStderr, 'helm');
    }
    return undefined;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}
