import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun } from './must-run.ts';

export interface Authority {
  caPem: string;
  caFile: string;
  /** A certificate for one DNS name, which need not resolve. */
  issue(name: string): { certFile: string; keyFile: string };
}

/** A certificate authority of its own, by openssl, in `dir`. */
export function makeAuthority(dir: string, label = 'ca'): Authority {
  const at = (name: string): string => join(dir, `${label}-${name}`);
  const caFile = at('root.crt');
  const caKey = at('root.key');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  mustRun('openssl', [
    'req',
    '-x509',
    ...key,
    '-days',
    '30',
    '-subj',
    `/CN=test ${label}`,
    '-keyout',
    caKey,
    '-out',
    caFile,
  ]);
  return {
    caFile,
    caPem: readFileSync(caFile, 'utf8'),
    issue(name) {
      const [keyFile, request, certFile, extensions] = ['key', 'csr', 'crt', 'ext'].map((end) =>
        at(`${name}.${end}`),
      ) as [string, string, string, string];
      writeFileSync(extensions, `subjectAltName=DNS:${name}\n`);
      mustRun('openssl', ['req', ...key, '-subj', `/CN=${name}`, '-keyout', keyFile, '-out', request]);
      mustRun('openssl', [
        'x509',
        '-req',
        '-in',
        request,
        '-CA',
        caFile,
        '-CAkey',
        caKey,
        '-CAcreateserial',
        '-days',
        '30',
        '-extfile',
        extensions,
        '-out',
        certFile,
      ]);
      return { certFile, keyFile };
    },
  };
}
