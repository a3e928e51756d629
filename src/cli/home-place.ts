import type { Home } from '../cluster/standalone/home.ts';
import type { Admit, StandaloneObjects } from '../cluster/standalone/objects.ts';
import type { Applier } from './apply.ts';
import type { Place } from './place.ts';
import { homeSections } from './report/home-sections.ts';

/** Applies to a home, which has no server that could be asked beforehand: `admit` is asked in its place. */
export const homeApplier = (objects: StandaloneObjects, admit: Admit): Applier => ({
  check: async ({ kind, metadata, spec }) => void admit(kind, spec, (await objects.get(kind, metadata))?.spec),
  apply: async (draft) => (await objects.apply(draft)).change,
});

/** A standalone home as the commands see it. */
export const homePlace = (home: Home, objects: StandaloneObjects, admit: Admit): Place => ({
  mode: 'standalone',
  objects,
  applier: homeApplier(objects, admit),
  namespace: 'default',
  // Files of this machine.
  pollMs: 200,
  reportSections: (namespace) => homeSections(home, objects, namespace),
  close: () => home.close(),
});
