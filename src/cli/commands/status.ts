import { type Command, Option } from 'commander';
import { isMachineForm, render } from '../answer.ts';
import { CommandError } from '../complaint.ts';
import { addPlaceOptions, openPlace, type PlaceOptions, placeFlags } from '../place.ts';
import { statusAnswer } from '../status-answer.ts';
import { renderStatus } from '../status-screen.ts';
import type { Session } from '../surroundings.ts';

interface StatusOptions extends PlaceOptions {
  allNamespaces?: true;
  output: 'table' | 'wide' | 'json' | 'yaml' | 'name';
}

/** `status [policy]`: one screen that answers "am I protected?". */
export function addStatus(program: Command, session: Session): void {
  const command = program
    .command('status')
    .description('am I protected? Policies, what is at work, the newest restores, and what to do')
    .argument('[policy]', 'only this BackupPolicy')
    .option('-A, --all-namespaces', 'in all namespaces')
    .addOption(
      new Option(
        '-o, --output <form>',
        'form of the answer; name: the policies that are not protected, with -A as namespace/name',
      )
        .choices(['table', 'wide', 'json', 'yaml', 'name'])
        .default('table'),
    )
    .addHelpText('after', '\nExamples:\n  backstay status -A\n  backstay status shop -o json');
  addPlaceOptions(command).action(async (policy: string | undefined, options: StatusOptions) => {
    if (isMachineForm(options.output)) session.answerIn(options.output);
    const place = await openPlace(options, session);
    try {
      const all = options.allNamespaces === true;
      const { namespace: _own, ...elsewhere } = options;
      const flags = placeFlags(elsewhere);
      const list = (kind: 'BackupPolicy' | 'BackupRun' | 'RestoreRequest') =>
        place.objects.list(kind, all ? undefined : place.namespace);
      const [policies, runs, requests] = await Promise.all([
        list('BackupPolicy'),
        list('BackupRun'),
        list('RestoreRequest'),
      ]);
      const found = policies.filter(({ metadata }) => policy === undefined || metadata.name === policy);
      if (policy !== undefined && found.length === 0) {
        throw new CommandError(
          'Missing',
          `there is no BackupPolicy ${policy} in ${all ? 'any namespace' : `namespace ${place.namespace}`}`,
          `List what there is with: ${session.calledAs} get policies -A${flags}`,
        );
      }
      const nowMs = session.clock.nowMs();
      const answer = statusAnswer({
        policies: found,
        runs: runs.filter((run) => policy === undefined || policyOf(run) === policy),
        requests: requests.filter((request) => policy === undefined || policyOf(request) === policy),
        nowMs,
        mode: place.mode,
        command: (verb, namespace) => `${session.calledAs} ${verb} -n ${namespace}${flags}`,
      });
      if (isMachineForm(options.output)) session.print(render(answer, options.output));
      else if (options.output === 'name') {
        const bad = answer.policies.filter(({ verdict }) => verdict !== 'Protected');
        // A name alone would say of none of several namespaces where to look.
        session.print(bad.map(({ namespace, name }) => `${all ? `${namespace}/` : ''}${name}\n`).join(''));
      } else {
        session.print(`${renderStatus(answer, { nowMs, showNamespace: all, wide: options.output === 'wide' })}\n`);
      }
    } finally {
      place.close();
    }
  });
}

/** The policy of a run, or of a request: of the backup that was chosen, or else the one it asked for. */
function policyOf({ spec, status }: { spec: unknown; status?: unknown }): string | undefined {
  const { policyName, source } = (spec ?? {}) as { policyName?: string; source?: { policyName?: string } };
  const chosen = (status as { source?: { policy?: string } } | undefined)?.source?.policy;
  return policyName ?? chosen ?? source?.policyName;
}
