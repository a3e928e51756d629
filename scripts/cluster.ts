// `npm run cluster -- up | down | status`: a Kubernetes cluster to try Backstay on and to test it with. Exit codes: 0 done,
// 1 failed (or `status` found no usable cluster), 2 used wrongly, 3 this machine can run no cluster; with CI=true that is a 1.
import { parseArgs } from 'node:util';
import { bringUpCluster, clusterStatus, takeDownCluster } from '../test/harness/cluster/cluster.ts';
import { tellOnStderr } from '../test/harness/cluster/story.ts';
import { Unavailable } from '../test/harness/cluster/unavailable.ts';

const usage = 'usage: npm run cluster -- up [--kubeconfig FILE [--context NAME]] | down | status';

process.exitCode = await main();

async function main(): Promise<number> {
  let parsed: ReturnType<typeof readArguments>;
  try {
    parsed = readArguments();
  } catch (thrown) {
    process.stderr.write(`${(thrown as Error).message}\n${usage}\n`);
    return 2;
  }
  const { values, positionals } = parsed;
  const tell = tellOnStderr;
  try {
    switch (positionals.join(' ')) {
      case 'up': {
        const settled = await bringUpCluster({ ...values, tell });
        const context = settled.context === undefined ? '' : ` --context ${settled.context}`;
        process.stdout.write(`kubectl --kubeconfig ${settled.kubeconfigPath}${context}\n`);
        return 0;
      }
      case 'down':
        await takeDownCluster(tell);
        return 0;
      case 'status': {
        const { usable, line } = await clusterStatus();
        process.stdout.write(`${line}\n`);
        return usable ? 0 : 1;
      }
      default:
        process.stderr.write(`${usage}\n`);
        return 2;
    }
  } catch (thrown) {
    if (!(thrown instanceof Unavailable)) {
      process.stderr.write(`${thrown instanceof Error ? thrown.message : thrown}\n`);
      return 1;
    }
    process.stdout.write(`${JSON.stringify({ verdict: 'unavailable', reason: thrown.message })}\n`);
    return process.env['CI'] === 'true' ? 1 : 3;
  }
}

function readArguments() {
  const options = { kubeconfig: { type: 'string' }, context: { type: 'string' } } as const;
  return parseArgs({ options, allowPositionals: true, strict: true });
}
