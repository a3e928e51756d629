/** Objects of the smallest story the cluster must be able to tell: a database, and a Job that dumps it. */

const restricted = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
const labels = { app: 'db' };

export function restrictedNamespace(name: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
  };
}

export function databaseObjects(namespace: string): object[] {
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'db', namespace },
    stringData: { password: "it's a pass word" },
  };
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'db', namespace },
    spec: { selector: labels, ports: [{ port: 5432 }] },
  };
  const server = {
    name: 'server',
    image: 'postgres:18',
    imagePullPolicy: 'IfNotPresent',
    env: [{ name: 'POSTGRES_PASSWORD_FILE', value: '/etc/db/password' }],
    securityContext: restricted,
    // Without a request it would be the first that a node short of memory, with the cache of a build in it, turns away.
    resources: { requests: { cpu: '100m', memory: '128Mi' } },
    // A second, the default, can be too short for an exec on a machine that is busy elsewhere: then it is never ready.
    readinessProbe: { exec: { command: ['pg_isready', '-h', 'localhost'] }, periodSeconds: 1, timeoutSeconds: 10 },
    volumeMounts: [
      { name: 'data', mountPath: '/var/lib/postgresql' },
      { name: 'password', mountPath: '/etc/db' },
    ],
  };
  const statefulSet = {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db', namespace },
    spec: {
      serviceName: 'db',
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 5,
          automountServiceAccountToken: false,
          securityContext: podSecurity(999),
          containers: [server],
          volumes: [{ name: 'password', secret: { secretName: 'db' } }],
        },
      },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        },
      ],
    },
  };
  return [secret, service, statefulSet];
}

/** The tool container waits for a word on a FIFO and dumps into another; the agent, under another uid, reads the dump. */
export function jobWithTool(namespace: string, name: string): object {
  const work = { name: 'work', mountPath: '/backstay/work' };
  const tool = {
    name: 'tool',
    image: 'postgres:18',
    imagePullPolicy: 'IfNotPresent',
    restartPolicy: 'Always',
    // The password file, not the environment: what a Job of the product may do, too.
    command: ['sh', '-c', toolLoop],
    securityContext: { ...restricted, runAsUser: 12345 },
    startupProbe: { exec: { command: ['test', '-p', '/backstay/work/control'] }, periodSeconds: 1 },
    volumeMounts: [work, { name: 'password', mountPath: '/etc/db' }],
  };
  const agent = {
    name: 'agent',
    image: 'postgres:18',
    imagePullPolicy: 'IfNotPresent',
    command: ['sh', '-c', agentScript],
    securityContext: restricted,
    volumeMounts: [work],
  };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace },
    spec: {
      backoffLimit: 0,
      template: {
        spec: {
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          securityContext: podSecurity(65532),
          initContainers: [tool],
          containers: [agent],
          volumes: [
            { name: 'work', emptyDir: {} },
            { name: 'password', secret: { secretName: 'db' } },
          ],
        },
      },
    },
  };
}

function podSecurity(uid: number): object {
  return {
    runAsNonRoot: true,
    runAsUser: uid,
    runAsGroup: uid,
    fsGroup: uid,
    seccompProfile: { type: 'RuntimeDefault' },
  };
}

const toolLoop = `
umask 007
trap 'exit 0' TERM
cd /backstay/work
mkfifo out control
export PGPASSFILE=/tmp/pgpass
printf '*:*:*:*:%s' "$(cat /etc/db/password)" > "$PGPASSFILE"
chmod 0600 "$PGPASSFILE"
read -r step < control
psql -h db -U postgres -wc 'create table orders (id int primary key)'
"$step" -h db -U postgres -w --schema-only > out
sleep infinity & wait
`;

const agentScript = `
cd /backstay/work
echo pg_dump > control
tables=$(sed -n 's/^CREATE TABLE public.\\([a-z]*\\) .*/\\1/p' < out)
echo "the dump holds: $tables"
`;
