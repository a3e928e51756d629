import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { timestamp } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { kinds } from '../../cluster/resource.ts';
import { render } from '../answer.ts';
import { sentenceOf } from '../complaint.ts';
import { contractVersion } from '../contract.ts';
import { addPlaceOptions, openPlace, type PlaceOptions } from '../place.ts';
import { redact } from '../report/redact.ts';
import type { ReportSection } from '../report/section.ts';
import type { Session } from '../surroundings.ts';

interface ReportOptions extends PlaceOptions {
  allNamespaces?: true;
  output?: string;
}

/** `report`: everything that helps somebody else to see what is wrong, in one file, without secrets. */
export function addReport(program: Command, session: Session): void {
  const command = program
    .command('report')
    .description('gather objects, events, Jobs, pods, logs and rights into one YAML file, without secrets')
    .option('-A, --all-namespaces', 'of all namespaces')
    .option('--output <file>', 'a new file, or - for the standard output; left out: one named after the time')
    .addHelpText('after', '\nExample:\n  backstay report -A --output report.yaml');
  addPlaceOptions(command).action(async (options: ReportOptions) => {
    const nowMs = session.clock.nowMs();
    const madeAt = timestamp(nowMs);
    const place = await openPlace(options, session);
    try {
      const namespace = options.allNamespaces === true ? undefined : place.namespace;
      const sections: ReportSection[] = [
        ...kinds.map((kind) => ({ name: kind, gather: () => place.objects.list(kind, namespace) })),
        ...place.reportSections(namespace),
      ];
      const gathered: [string, unknown][] = [];
      for (const { name, gather } of sections) {
        gathered.push([name, await gather().catch((error) => ({ notGathered: sentenceOf(error) }))]);
      }
      const about = {
        version: session.version,
        node: process.version,
        mode: place.mode,
        namespace: namespace ?? 'all',
        madeAt,
      };
      const text = render(
        { apiVersion: contractVersion, kind: 'Report', ...about, ...(redact(Object.fromEntries(gathered)) as object) },
        'yaml',
      );
      if (options.output === '-') {
        session.print(text);
        return;
      }
      const file = options.output ?? `backstay-report-${madeAt.replace(/[-:]/g, '')}.yaml`;
      writeNew(file, text);
      const missing = gathered.filter(([, part]) => (part as { notGathered?: string }).notGathered !== undefined);
      for (const [name, part] of missing) {
        session.print(`not gathered: ${name}: ${(part as { notGathered: string }).notGathered}\n`);
      }
      session.print(`${file} written\n  next: Read it before you hand it on: names, hosts and log lines are in it.\n`);
    } finally {
      place.close();
    }
  });
}

/** For the owner only, and never over a file that is there. */
function writeNew(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: 'wx', mode: 0o600 });
  } catch (thrown) {
    throw new Fault('SpecInvalid', `cannot write ${file}: ${(thrown as Error).message}`, {
      hint: 'Name a file by --output that is not there yet.',
    });
  }
}
