// Loaded into an operator before its own program (`node --import`): it dies where it says that it begins a step out of
// BACKSTAY_TEST_DEATHS. From outside, a signal always comes some milliseconds too late to meet one certain step.
import { writeSync } from 'node:fs';

const deaths = JSON.parse(process.env['BACKSTAY_TEST_DEATHS'] ?? '[]') as { step: string; object: string }[];
const write = process.stdout.write.bind(process.stdout) as (...args: unknown[]) => boolean;

process.stdout.write = (chunk: unknown, ...more: unknown[]): boolean => {
  const { step, object } = JSON.parse(String(chunk)) as { step?: string; object?: string };
  if (deaths.some((one) => one.step === step && one.object === object)) {
    writeSync(1, String(chunk));
    process.kill(process.pid, 'SIGKILL');
  }
  return write(chunk, ...more);
};
