import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { kubectl, kubectlApply } from './kubectl.ts';
import { files } from './layout.ts';

/** The default storage class. Nothing provisions it: a claim binds to one of the volumes that lie ready. */
export const storageClassName = 'backstay-local';
const readyVolumes = 48;
const readySizeGi = 10;

const storageClass = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name: storageClassName, annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
  provisioner: 'kubernetes.io/no-provisioner',
};

/** Makes one more volume, a directory of this machine, in the default class. Safe to repeat. */
export async function createVolume(name: string, sizeGi: number): Promise<void> {
  await kubectlApply([volume(name, sizeGi)]);
}

/** The storage class, and enough volumes for a whole test run: claims bind to them without being asked for by name. */
export function storageObjects(): object[] {
  const volumes = Array.from({ length: readyVolumes }, (_, index) =>
    volume(`ready-${String(index + 1).padStart(2, '0')}`, readySizeGi),
  );
  return [storageClass, ...volumes];
}

/** Makes the volumes whose claims are gone ready for the next ones, empty; a long-lived cluster would run out of them. */
export async function recycleVolumes(): Promise<void> {
  const list = JSON.parse(await kubectl(['get', 'persistentvolumes', '-o', 'json'])) as {
    items: { metadata: { name: string }; status?: { phase?: string } }[];
  };
  const released = list.items
    .filter(({ metadata, status }) => status?.phase === 'Released' && metadata.name.startsWith('ready-'))
    .map(({ metadata }) => metadata.name);
  if (released.length === 0) return;
  await kubectl(['delete', 'persistentvolume', ...released]);
  for (const name of released) rmSync(join(files.volumes, name), { recursive: true, force: true });
  await kubectlApply(released.map((name) => volume(name, readySizeGi)));
  // A claim that comes before its volume is available is bound at the controller's next look around, 15 s later.
  const names = released.map((name) => `persistentvolume/${name}`);
  await kubectl(['wait', '--for=jsonpath={.status.phase}=Available', '--timeout=30s', ...names]);
}

function volume(name: string, sizeGi: number): object {
  const path = join(files.volumes, name);
  mkdirSync(path, { recursive: true });
  // fsGroup does not reach into a hostPath volume: any uid must be able to write.
  chmodSync(path, 0o777);
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: {
      storageClassName,
      capacity: { storage: `${sizeGi}Gi` },
      accessModes: ['ReadWriteOnce', 'ReadWriteMany', 'ReadOnlyMany'],
      persistentVolumeReclaimPolicy: 'Retain',
      hostPath: { path, type: 'Directory' },
    },
  };
}
