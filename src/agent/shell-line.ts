import { Fault } from '../base/fault.ts';

/**
 * The one line of `sh` that becomes the tool: every argument arrives as it is, whatever bytes it is made of, in dash,
 * busybox and bash. This is the only place that quotes. `env` is added to the tool's environment: no secret belongs
 * there, a process list shows it. Throws SpecInvalid for NUL, which no argument of a program can hold.
 */
export function shellLine(args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const settings = Object.entries(env).map(([name, value]) => {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new Fault('Internal', `"${name}" is no name of a variable`);
    return `${name}=${quote(value)}`;
  });
  if (args.length === 0) throw new Fault('Internal', 'a step needs a program');
  const exported = settings.length === 0 ? '' : `export ${settings.join(' ')}; `;
  return `${exported}exec ${args.map(quote).join(' ')}\n`;
}

function quote(word: string): string {
  if (word.includes('\0')) throw new Fault('SpecInvalid', 'a name holds a NUL character, which no tool can be given');
  return `'${word.replaceAll("'", "'\\''")}'`;
}
