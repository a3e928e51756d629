import { systemClock } from '../../../src/base/clock.ts';
import { type Connection, connectByKubeconfig } from '../../../src/cluster/kubernetes/connect.ts';
import { ApiClient, type ApiRequest } from '../../../src/cluster/kubernetes/http.ts';
import type { bringUpCluster } from '../../harness/cluster/cluster.ts';

/**
 * What runs in the place of the agent, in the pod that the real Job builder made: `agent --root DIR`. What to do stands
 * in `object` of its task.
 */
const agent = `
root=$2
report() { echo '{"outcome":"no-manifest"}' >"$root/report.json"; }
must() { "$@" || { echo "not so: $*" >"$root/report.json"; exit 4; }; }
case $(cat "$root/task.json") in
  *test/reports*) report ;;
  *test/silent*) exit 3 ;;
  *test/sleeps*) trap 'kill $!; exit 143' TERM; sleep 600 & wait ;;
  *test/reads-secret*) [ "$(cat "$root/secrets/door/word")" = sesame ] && report || exit 3 ;;
  *test/layout*)
    must touch "$root/progress.json.new"
    must mv "$root/progress.json.new" "$root/progress.json"
    must test ! -w "$root/secrets/door/word"
    must test ! -w "$root/task.json"
    must test ! -e "$root/private"
    must test ! -e /var/run/secrets/kubernetes.io
    must test ! -w /usr
    must touch "$root/store/written"
    umask 007
    until [ -e "$root/work/boot" ]; do sleep 0.1; done
    must mkdir "$root/work/step-1"
    echo 'umask 077; echo secret >/backstay/private/p && test ! -w /usr && cat && cat /backstay/private/p' >"$root/work/step-1/cmd"
    must mkfifo "$root/work/control" "$root/work/step-1/in" "$root/work/step-1/out"
    exec 4<>"$root/work/control"
    echo 'run 1' >&4
    echo through the tool >"$root/work/step-1/in" &
    must test "$(cat "$root/work/step-1/out")" = "through the tool
secret"
    until [ -e "$root/work/step-1/exit" ]; do sleep 0.1; done
    must grep -q '^1 0$' "$root/work/step-1/exit"
    report
    ;;
esac
`;

export const testImage = 'postgres:18';

/** A client that puts the agent of the test into every Job that goes through it, and changes nothing else. */
class ClientWithTestAgent extends ApiClient {
  override json<T>(request: ApiRequest): Promise<T> {
    if (request.method !== 'POST' || !request.path.endsWith('/jobs')) return super.json(request);
    const body = structuredClone(request.body) as {
      spec: { template: { spec: { containers: { args: string[]; command?: string[] }[] } } };
    };
    const [container] = body.spec.template.spec.containers;
    Object.assign(container!, { command: ['sh', '-c', agent] });
    return super.json({ ...request, body });
  }
}

type Cluster = Awaited<ReturnType<typeof bringUpCluster>>;

function connectionOf({ kubeconfigPath, context }: Cluster): Connection {
  return connectByKubeconfig({ path: kubeconfigPath, ...(context !== undefined && { context }) });
}

export const clientOf = (cluster: Cluster): ApiClient => new ClientWithTestAgent(connectionOf(cluster), systemClock);
