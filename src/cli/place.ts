import { type Command, Option } from 'commander';
import type { Objects } from '../cluster/objects.ts';
import type { Applier } from './apply.ts';
import { CommandError } from './complaint.ts';
import type { ReportSection } from './report/section.ts';

/** Where the objects live: a cluster, or a standalone home. */
export interface Place {
  mode: 'kubernetes' | 'standalone';
  objects: Objects;
  applier: Applier;
  /** For a person who names none: that of the context, or `default`. */
  namespace: string;
  /** How often a wait looks. */
  pollMs: number;
  /** What a report holds beside the objects, such as events, Jobs and the operator's log. */
  reportSections(namespace: string | undefined): ReportSection[];
  /** Ends connections; what is under way fails. */
  close(): void;
}

export interface PlaceOptions {
  home?: string;
  kubeconfig?: string;
  context?: string;
  namespace?: string;
}

export interface PlaceOpeners {
  defaultHome: string | undefined;
  openHome(directory: string): Promise<Place>;
  /** Without both: as kubectl finds its cluster. */
  openCluster(options: { kubeconfig?: string; context?: string }): Promise<Place>;
}

/** The options that every command has that looks at objects. */
export function addPlaceOptions(command: Command): Command {
  return command
    .optionsGroup('Where the objects are:')
    .option('--home <directory>', 'a standalone home; left out: $BACKSTAY_HOME, or else the cluster')
    .option('--context <context>', "a context of the kubeconfig; left out: kubectl's current one")
    .option('--kubeconfig <file>', 'left out: $KUBECONFIG, ~/.kube/config, or the service account of the pod')
    .addOption(new Option('-n, --namespace <namespace>', 'left out: that of the context, or default'))
    .optionsGroup('Options:');
}

/**
 * The place that a command line names. Throws Usage for a home and a cluster at once: guessing which one was meant could
 * delete in the wrong one.
 */
export async function openPlace(options: PlaceOptions, openers: PlaceOpeners): Promise<Place> {
  const { home, kubeconfig, context } = options;
  const cluster = { ...(kubeconfig !== undefined && { kubeconfig }), ...(context !== undefined && { context }) };
  const namesCluster = Object.keys(cluster).length > 0;
  if (home !== undefined && namesCluster) {
    throw new CommandError('Usage', 'a home and a cluster are named at once', 'Give --home, or --context, not both.');
  }
  const directory = home ?? (namesCluster ? undefined : openers.defaultHome);
  const place = directory === undefined ? await openers.openCluster(cluster) : await openers.openHome(directory);
  return options.namespace === undefined ? place : { ...place, namespace: options.namespace };
}

/** The flags that lead to the same place, for a command that a person is told to type. */
export function placeFlags({ home, kubeconfig, context, namespace }: PlaceOptions): string {
  return Object.entries({ home, kubeconfig, context, namespace })
    .flatMap(([name, value]) => (value === undefined ? [] : [` --${name} ${shellWord(value)}`]))
    .join('');
}

/** So that what a person is told to type can be typed. */
export const shellWord = (text: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
