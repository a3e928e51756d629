import { type ReasonFacts, reasons } from '../base/reasons.ts';
import { conditionTypes, type StateFacts, stateReasons } from './conditions.ts';
import { describeKind, type SchemaNode, structural } from './crd.ts';
import {
  apiVersion,
  type KindName,
  kindNames,
  nameMaxLength,
  policyLabel,
  scheduleLabel,
  taskFinalizer,
  tickAnnotation,
} from './names.ts';
import { operatorConfig } from './operator-config.ts';

/** What the metadata of a kind may hold beside its name. */
const metadata: Record<KindName, [place: string, name: string, meaning: string][]> = {
  BackupPolicy: [],
  BackupRun: [
    ['label', policyLabel, 'The policy whose schedule made the run. Not there when it was made by hand.'],
    ['label', scheduleLabel, 'The schedule that made it.'],
    ['annotation', tickAnnotation, 'When the schedule wanted it.'],
    ['finalizer', taskFinalizer, 'Held while a task may be running: it is stopped before the run goes.'],
  ],
  RestoreRequest: [
    ['finalizer', taskFinalizer, 'Held while a task may be running: it is stopped before the request goes.'],
  ],
  BackupGrant: [],
};

const again: Record<KindName, string> = {
  BackupPolicy:
    'The reason is that of the newest run that failed. The next tick of a schedule makes another run; *again* says what ' +
    'that run itself would do, and BackupRun.md how.',
  BackupRun:
    '*Again* says what happens by itself: `never` waits for a person; after `once` and `backoff` there is a second attempt, ' +
    'soon or after a longer pause, and no third one. Whatever is missing before an attempt has begun is waited for until ' +
    'a deadline.',
  RestoreRequest:
    'A restore is not tried again by itself, whatever *again* says: look into the target, then make another request. ' +
    'Whatever is missing before the task has begun is waited for until a deadline.',
  BackupGrant: 'A grant has no task: of these words it only ever says `SpecInvalid`.',
};

/** The page of a kind in docs/spec: `example` as it is, then every field, condition and reason. Markdown. */
export function referencePage(kind: KindName, example: string): string {
  const { about, spec, status, columns } = describeKind(kind);
  const { plural, shortName } = kindNames[kind];
  return (
    [
      `<!-- Written by npm run generate. Change src/api and run it again. -->`,
      `# ${kind}`,
      about,
      `\`${apiVersion}\`, namespaced. The name has at most ${nameMaxLength[kind]} characters. \`kubectl get ${plural}\` or \`kubectl get ${shortName}\` shows:`,
      table(
        ['column', 'meaning'],
        columns.map(({ name, description, priority }) => [
          name,
          priority === undefined ? description : `${description} With \`-o wide\` only.`,
        ]),
      ),
      '## Example',
      `\`\`\`yaml\n${example.trimEnd()}\n\`\`\``,
      '## spec',
      'Fields that are not in this table are refused.',
      fieldTable(spec, 'spec'),
      ...(metadata[kind].length === 0
        ? []
        : [
            '## metadata',
            table(
              ['where', 'name', 'meaning'],
              metadata[kind].map(([place, name, meaning]) => [place, code(name), meaning]),
            ),
          ]),
      '## status',
      'Written by Backstay only.',
      fieldTable(status, 'status'),
      '## Conditions',
      table(
        ['type', 'meaning'],
        Object.entries(conditionTypes).map(([type, meaning]) => [code(type), meaning]),
      ),
      '## Reasons while all is well',
      'With `True` the object is at rest; with `Unknown` work goes on, and `Reconciling` is true.',
      table(
        ['reason', 'Ready', 'meaning'],
        Object.entries<StateFacts>(stateReasons[kind]).map(([reason, { meaning, ready }]) => [
          code(reason),
          code(ready),
          meaning,
        ]),
      ),
      '## Reasons of failures',
      'One word each, the same in the condition, the event, the log and the report of the agent. `Ready` is `False`; ' +
        '`Stalled` is true when it is over, and `Reconciling` while it may still come right. An accident of the operator itself ' +
        'leaves `Ready` as it was and stands at `Reconciling` until the next try.',
      again[kind],
      table(
        ['reason', 'meaning', 'what to do', 'again'],
        Object.entries<ReasonFacts>(reasons).map(([reason, { meaning, hint, retry }]) => [
          code(reason),
          meaning,
          hint,
          retry,
        ]),
      ),
      '## Events',
      'One for each change of the status or the reason: the words of the condition, of type `Normal` while all is well ' +
        'and `Warning` for a failure or for something that is missing.' +
        (metadata[kind].some(([, name]) => name === taskFinalizer)
          ? ' A `Warning` with the reason `Stopping` says that a deleted object was let go although its task did not end.'
          : ''),
      '',
    ]
      .join('\n\n')
      .trimEnd() + '\n'
  );
}

/** The page of the operator's configuration. Markdown. */
export function configurationPage(): string {
  return [
    `<!-- Written by npm run generate. Change src/api and run it again. -->`,
    '# The configuration of the operator',
    '`backstay operator --config FILE`. The file is YAML; every field has a default but `image`, which can also be given ' +
      'as `--image`. A field that is not in this table is refused at the start. The chart writes the file from its values.',
    fieldTable(structural(operatorConfig), 'config'),
    '',
  ]
    .join('\n\n')
    .trimEnd()
    .concat('\n');
}

function fieldTable(node: SchemaNode, root: string): string {
  return table(['field', 'type', 'meaning'], rows(node, root));
}

function rows(node: SchemaNode, path: string): string[][] {
  const own = node['x-kubernetes-validations'] ?? [];
  const children = Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const childPath = `${path}.${name}`;
    const isRequired = node.required?.includes(name) ?? false;
    return [[code(childPath), typeOf(child), meaningOf(child, isRequired)], ...rows(child, childPath)];
  });
  const items = node.items === undefined ? [] : rows(node.items, `${path}[]`);
  // The rules of an object stand in front of its fields; those of a single value stand in its own row.
  const ruleRows =
    node.type === 'object' && own.length > 0
      ? [[code(path), 'rule', own.map(({ message }) => message).join('; ')]]
      : [];
  return [...ruleRows, ...children, ...items];
}

function typeOf(node: SchemaNode): string {
  if (node.enum !== undefined) return node.enum.map(code).join(' or ');
  if (node['format'] === 'date-time') return 'time';
  if (typeof node['additionalProperties'] === 'object') return 'map';
  return node.type === 'array' ? `list of ${node.items?.type ?? 'values'}` : node.type;
}

function meaningOf(node: SchemaNode, isRequired: boolean): string {
  const isPlain = node.type !== 'object';
  const rules = isPlain ? (node['x-kubernetes-validations'] ?? []).map(({ message }) => `It ${message}.`) : [];
  const fallback =
    node.default === undefined || !isPlain ? undefined : `Default: ${code(JSON.stringify(node.default))}.`;
  return [isRequired ? '**Required.**' : undefined, node.description, fallback, ...rules, boundsOf(node)]
    .filter(Boolean)
    .join(' ');
}

function boundsOf(node: SchemaNode): string | undefined {
  const { minimum, maximum, minItems, maxItems, maxLength } = node as unknown as Record<string, number | undefined>;
  if (minimum !== undefined && maximum !== undefined) return `From ${minimum} to ${maximum}.`;
  if (maxItems !== undefined) {
    if (minItems === maxItems) return `Exactly ${maxItems}.`;
    return minItems === undefined ? `At most ${maxItems}.` : `From ${minItems} to ${maxItems}.`;
  }
  return maxLength === undefined || node['format'] !== undefined ? undefined : `At most ${maxLength} characters.`;
}

const code = (text: string): string => `\`${text}\``;

function table(head: string[], body: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...body.map(line)].join('\n');
}
