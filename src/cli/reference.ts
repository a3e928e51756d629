import type { Command } from 'commander';
import { z } from 'zod';
import { contractVersion, resultSchema, statusSchema, verdicts } from './contract.ts';
import { exitCodeMeanings } from './exit-codes.ts';

const top = `# The command line

<!-- Written by npm run generate out of src/cli. Change that and run it again. -->

\`backstay\` works on a cluster and on a standalone home by the same commands. Everything that it does in a cluster can be
done by \`kubectl\` and YAML as well: it creates the objects of [docs/spec](spec/v1alpha1) and reads their status. What it adds
is an answer to "am I protected?", a wait whose exit code is the outcome, and names to pick from.

## Getting it

From a checkout: \`npm run -s backstay -- ARGS\`, or put \`bin/\` of the checkout into the \`PATH\`. Then there are three programs:

- \`backstay\`,
- \`kubectl-backstay\`, which kubectl runs as \`kubectl backstay\`,
- \`kubectl_complete-backstay\`, which kubectl asks when it completes a command line of the plugin.

The image of Backstay has the same program: \`docker run --rm IMAGE status --help\`; in a pod it uses the pod's service account.

Completion: \`source <(backstay completion bash)\`, the same for \`zsh\`; \`backstay completion fish | source\`; for PowerShell see
the script itself. Names of policies, runs and requests come from the place that the command line names.

## Where the objects are

| given | then |
| --- | --- |
| \`--home DIR\` | that standalone home |
| \`--context\`, \`--kubeconfig\` | that cluster |
| both | exit code 2: nobody guesses where to delete |
| neither | \`$BACKSTAY_HOME\` when it is set; else as kubectl: \`$KUBECONFIG\`, \`~/.kube/config\`, the service account of the pod |

The namespace is \`--namespace\`, or that of the context, or that of the pod, or \`default\`. \`apply\` is a server-side apply with the
field manager \`backstay-cli\`, tried dry for all objects before the first one is written; a field that somebody else manages is
a conflict, which names the other manager.

### Rights in a cluster

| command | needs |
| --- | --- |
| \`status\`, \`get\`, completion | \`get\` and \`list\` on the kinds of \`backstay.dev\` |
| \`backup\` | \`get\` on backuppolicies, \`create\` on backupruns; with \`--wait\` also \`get\` on backupruns |
| \`restore\` | \`get\` on backuppolicies or backupruns, \`create\` on restorerequests; with \`--wait\` also \`get\` on restorerequests |
| \`apply\` | \`get\`, \`create\` and \`patch\` on the kind |
| \`delete\` | \`get\` and \`delete\` on the kind |
| \`report\` | \`list\` on the kinds; as far as allowed also \`list\` on events, Jobs and pods, and \`get\` on pods/log |

No command reads a Secret.
`;

const waits = `## Waiting

\`apply\`, \`backup\` and \`restore\` take \`--wait\`: the exit code is the outcome of the work. On a terminal one line shows how far it
is; elsewhere each change of phase is a line, and once a minute the progress. Ctrl-C, TERM and \`--timeout\` end the wait and
never the work. An API server that is away meanwhile is asked again.
`;

const output = `## Output for machines

\`get -o json|yaml\` prints the objects as the API has them. Every other command that has \`-o json|yaml\` prints exactly one document
on the standard output, after everything else: the answer, or the error; lines for people go to the standard error then. Only
a command line that cannot be parsed (exit code 2) has no document. Documents have \`apiVersion: ${contractVersion}\`; but
\`restore --dry-run\` prints the RestoreRequest itself, as \`apply\` takes it. Within v1 fields are only added, and words are
only added to a list of words: take an unknown word for "not good".

\`status\` exits with 0 whatever it finds; another code means that it could not look. A script reads \`protected\` or the
verdicts:

\`\`\`sh
backstay status -A -o json | jq -e .protected
\`\`\`

\`-o name\` prints names, one a line: of what was made, or for \`status\` of the policies that are not protected, with \`-A\` as
\`namespace/name\`. Where there is no policy at all \`status -o name\` prints nothing, and \`protected\` is false.
`;

const report = `## What is in a report

\`report\` writes one YAML file (mode 0600, never over another file): the objects, events about them, Jobs and pods of tasks, the
last lines of the logs of tasks and operator, versions, and what you may do. A part that you may not see says so. Values that
look like a secret (by the name of the field, or by their look: keys, tokens, passwords in URLs) are replaced by \`[removed]\`.
Names, hosts and messages stay: read it before you hand it on.
`;

/** docs/cli.md, out of the tree of commands, the exit codes and the schemas. */
export function commandReference(program: Command): string {
  return [
    top,
    '## Exit codes\n\nA code never changes its meaning. Take one that you do not know for a failure.\n',
    table(
      ['code', 'meaning'],
      Object.entries(exitCodeMeanings).map(([code, meaning]) => [code, meaning]),
    ),
    waits,
    output,
    schemaPart('Result', resultSchema),
    schemaPart('Status', statusSchema),
    '#### Verdicts\n',
    table(
      ['verdict', 'meaning'],
      Object.entries(verdicts).map(([verdict, meaning]) => [`\`${verdict}\``, meaning]),
    ),
    report,
    '## Commands\n',
    ...visibleLeaves(program, program.name()).map(([path, command]) => commandPart(path, command)),
  ]
    .join('\n')
    .replace(/\n+$/, '\n');
}

/** Every command that has no commands below it, as it is typed. */
function visibleLeaves(command: Command, path: string): [string, Command][] {
  const children = command
    .createHelp()
    .visibleCommands(command)
    .filter((child) => child.name() !== 'help');
  if (children.length === 0) return [[path, command]];
  return children.flatMap((child) => visibleLeaves(child, `${path} ${child.name()}`));
}

function commandPart(path: string, command: Command): string {
  let help = '';
  const { writeOut } = command.configureOutput();
  command.configureOutput({ writeOut: (text) => (help += text) });
  command.outputHelp();
  command.configureOutput(writeOut === undefined ? {} : { writeOut });
  return `### ${path}\n\n\`\`\`text\n${help.trim()}\n\`\`\`\n`;
}

interface JsonSchema {
  type?: string;
  const?: string;
  enum?: string[];
  description?: string;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
}

function schemaPart(name: string, schema: z.ZodType): string {
  const json = z.toJSONSchema(schema) as JsonSchema;
  return `### ${name}\n\n${json.description}\n\n${table(['field', 'type', 'meaning'], fieldRows(json, ''))}`;
}

function fieldRows({ properties = {}, required = [] }: JsonSchema, path: string): string[][] {
  return Object.entries(properties).flatMap(([name, field]) => {
    const here = path === '' ? name : `${path}.${name}`;
    const inner = field.items ?? field;
    const meaning = [required.includes(name) ? '' : 'Optional.', field.description ?? ''].filter(Boolean).join(' ');
    return [
      [`\`${here}\``, typeOf(field), meaning],
      ...fieldRows(inner, field.items === undefined ? here : `${here}[]`),
    ];
  });
}

function typeOf(field: JsonSchema): string {
  if (field.const !== undefined) return `\`${field.const}\``;
  if (field.enum !== undefined) return field.enum.map((word) => `\`${word}\``).join(', ');
  return field.type === 'array' ? `list of ${field.items?.type ?? 'values'}` : (field.type ?? 'value');
}

function table(head: string[], body: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return `${[line(head), line(head.map(() => '---')), ...body.map(line)].join('\n')}\n`;
}
