import { type ReasonFacts, reasons } from '../base/reasons.ts';
import { conditionTypes, stateReasons } from './conditions.ts';
import { describeKind, type SchemaNode } from './crd.ts';
import { apiVersion, type KindName, kindNames } from './names.ts';

/** The page of a kind in docs/spec: `example` as it is, then every field, condition and reason. Markdown. */
export function referencePage(kind: KindName, example: string): string {
  const { about, spec, status, columns } = describeKind(kind);
  const { plural, shortName } = kindNames[kind];
  return (
    [
      `<!-- Written by npm run generate. Change src/api and run it again. -->`,
      `# ${kind}`,
      about,
      `\`${apiVersion}\`, namespaced. \`kubectl get ${plural}\` or \`kubectl get ${shortName}\` shows: ${columns.map(({ name }) => name).join(', ')}.`,
      '## Example',
      `\`\`\`yaml\n${example.trimEnd()}\n\`\`\``,
      '## spec',
      'Fields that are not in this table are refused.',
      fieldTable(spec, 'spec'),
      '## status',
      'Written by Backstay only.',
      fieldTable(status, 'status'),
      '## Conditions',
      table(
        ['type', 'meaning'],
        Object.entries(conditionTypes).map(([type, meaning]) => [code(type), meaning]),
      ),
      '## Reasons while all is well',
      table(
        ['reason', 'meaning'],
        Object.entries(stateReasons[kind]).map(([reason, meaning]) => [code(reason), meaning]),
      ),
      '## Reasons of failures',
      'One word each, the same in the condition, the event, the log and the exit of the agent. *Again* says what happens by itself: ' +
        'nothing until a person acts, one more attempt, or attempts with growing pauses while nothing has been started.',
      table(
        ['reason', 'meaning', 'what to do', 'again'],
        Object.entries<ReasonFacts>(reasons).map(([reason, { meaning, hint, retry }]) => [
          code(reason),
          meaning,
          hint,
          retry,
        ]),
      ),
      '',
    ]
      .join('\n\n')
      .trimEnd() + '\n'
  );
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
  return node.type === 'array' ? `list of ${node.items?.type ?? 'values'}` : node.type;
}

function meaningOf(node: SchemaNode, isRequired: boolean): string {
  const isPlain = node.type !== 'object';
  const rules = isPlain ? (node['x-kubernetes-validations'] ?? []).map(({ message }) => `It ${message}.`) : [];
  const fallback =
    node.default === undefined || !isPlain ? undefined : `Default: ${code(JSON.stringify(node.default))}.`;
  return [isRequired ? '**Required.**' : undefined, node.description, fallback, ...rules].filter(Boolean).join(' ');
}

const code = (text: string): string => `\`${text}\``;

function table(head: string[], body: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...body.map(line)].join('\n');
}
