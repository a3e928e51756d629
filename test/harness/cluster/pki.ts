import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.ts';

export interface Identity {
  user: string;
  groups: readonly string[];
}

/** Who may speak with the API server, each by a token of its own: the groups are what RBAC and the Node authorizer know. */
const identities = {
  admin: { user: 'admin', groups: ['system:masters'] },
  controllers: { user: 'system:kube-controller-manager', groups: [] },
  scheduler: { user: 'system:kube-scheduler', groups: [] },
  proxy: { user: 'system:kube-proxy', groups: ['system:node-proxier'] },
  dns: { user: 'backstay:dns', groups: [] },
} satisfies Record<string, Identity>;

export type Who = keyof typeof identities | 'kubelet';

export interface Pki {
  caFile: string;
  certFile: string;
  keyFile: string;
  /** With these the API server shows itself to a kubelet, which asks the API server what it may do there. */
  kubeletClientCertFile: string;
  kubeletClientKeyFile: string;
  serviceAccountKeyFile: string;
  serviceAccountPublicFile: string;
  tokenFile: string;
  token(who: Who): string;
}

/** Makes the certificate authority, the API server's certificate, the service-account key and the tokens of a cluster. */
export async function makePki(dir: string, names: { ips: readonly string[]; nodeName: string }): Promise<Pki> {
  const pki = pkiIn(dir);
  const serviceNames = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'localhost'];
  const alternatives = [...serviceNames.map((name) => `DNS:${name}`), ...names.ips.map((ip) => `IP:${ip}`)].join(',');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-x509', '-days', '365'];
  const caKeyFile = join(dir, 'ca.key');
  await run('openssl', ['req', ...key, '-subj', '/CN=backstay-test-ca', '-keyout', caKeyFile, '-out', pki.caFile]);
  const leaf = async (subject: string, extensions: string[], keyFile: string, certFile: string): Promise<void> => {
    const signed = ['-CA', pki.caFile, '-CAkey', caKeyFile, '-subj', subject, '-keyout', keyFile, '-out', certFile];
    const more = ['basicConstraints=critical,CA:FALSE', ...extensions].flatMap((extension) => ['-addext', extension]);
    await run('openssl', ['req', ...key, ...signed, ...more]);
  };
  const serving = [`subjectAltName=${alternatives}`, 'extendedKeyUsage=serverAuth'];
  await leaf('/CN=kube-apiserver', serving, pki.keyFile, pki.certFile);
  const client = '/O=system:masters/CN=kube-apiserver-kubelet-client';
  await leaf(client, ['extendedKeyUsage=clientAuth'], pki.kubeletClientKeyFile, pki.kubeletClientCertFile);

  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const secret = { mode: 0o600 };
  writeFileSync(pki.serviceAccountKeyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), secret);
  writeFileSync(pki.serviceAccountPublicFile, publicKey.export({ type: 'spki', format: 'pem' }), secret);
  const kubelet = { user: `system:node:${names.nodeName}`, groups: ['system:nodes'] };
  const rows = Object.entries({ ...identities, kubelet }).map(([who, { user, groups }]) =>
    [randomBytes(24).toString('base64url'), user, who, ...(groups.length > 0 ? [`"${groups.join(',')}"`] : [])].join(
      ',',
    ),
  );
  writeFileSync(pki.tokenFile, rows.join('\n') + '\n', secret);
  return pki;
}

/** The same, of a cluster that was made before. */
export function pkiIn(dir: string): Pki {
  const tokenFile = join(dir, 'tokens.csv');
  return {
    caFile: join(dir, 'ca.crt'),
    certFile: join(dir, 'apiserver.crt'),
    keyFile: join(dir, 'apiserver.key'),
    kubeletClientCertFile: join(dir, 'kubelet-client.crt'),
    kubeletClientKeyFile: join(dir, 'kubelet-client.key'),
    serviceAccountKeyFile: join(dir, 'service-account.key'),
    serviceAccountPublicFile: join(dir, 'service-account.pub'),
    tokenFile,
    token(who) {
      const rows = existsSync(tokenFile) ? readFileSync(tokenFile, 'utf8').split('\n') : [];
      const token = rows.map((row) => row.split(',')).find((fields) => fields[2] === who)?.[0];
      if (token === undefined) throw new Error(`${tokenFile} holds no token for ${who}`);
      return token;
    },
  };
}

/** Writes a kubeconfig for one of the identities. */
export function writeKubeconfig(file: string, url: string, pki: Pki, who: Who): void {
  const text = JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'backstay',
        cluster: { server: url, 'certificate-authority-data': readFileSync(pki.caFile).toString('base64') },
      },
    ],
    users: [{ name: who, user: { token: pki.token(who) } }],
    contexts: [{ name: 'backstay', context: { cluster: 'backstay', user: who } }],
    'current-context': 'backstay',
  });
  writeFileSync(file, text, { mode: 0o600 });
}
