import { readEvents } from '../../../src/cluster/standalone/events.ts';
import { type ObjectsUnderTest, objectsContract, ownersContract } from './objects-contract.ts';
import { runnerContract } from './runner-contract.ts';
import { freshHome, objectsOf } from './standalone-home.ts';
import { freshRunner } from './standalone-runner.ts';

async function create(): Promise<ObjectsUnderTest> {
  const { home, cleanup } = await freshHome();
  const objects = objectsOf(home);
  return {
    objects,
    namespace: 'prod',
    otherNamespace: 'staging',
    async applySpec({ kind, metadata: { name, namespace } }, spec) {
      await objects.apply({ kind, metadata: { name, namespace }, spec });
    },
    events: ({ kind, metadata }) => readEvents(home.events, kind, metadata),
    cleanup,
  };
}

objectsContract('standalone', create);
ownersContract('standalone', create);
runnerContract('standalone', async () => {
  const { runner, spec, putSecret, cleanup } = await freshRunner();
  return { runner, spec, putSecret, patienceMs: 10_000, cleanup };
});
