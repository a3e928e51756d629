/**
 * The process that leads a task, in POSIX `sh`, so that it needs nothing of ours and lives on without us:
 * `sh -c "$leader" backstay-task <root> <tool loop> <agent command...>`, in a session of its own, in the directory
 * `root`. `task-files.ts` is the other side.
 *
 * - `leader.json` is the claim. It is linked into place, which succeeds once, before anything else runs: of any number
 *   of leaders one goes on, so a caller who does not know whether it started the task starts it again. Field 22 of
 *   `stat`, the start time, and the boot id tell this process from a later one with the same number.
 * - `wait` comes back at every TERM, so it is called until it came back for the agent's own end.
 * - TERM to the tool loop is repeated: one that comes between fork and exec meets the shell's own handler and is lost.
 * - What is left of its process group is killed before `ended.json` says that the task is over: a second attempt must
 *   never meet the first one.
 */
export const leader = `
umask 077
root=$1
loop_text=$2
shift 2
agent=
stopping=
trap 'stopping=1; [ -n "$agent" ] && kill -TERM "$agent" 2>/dev/null' TERM INT HUP
started() {
  shift 19
  printf '%s' "$1"
}
read -r line </proc/$$/stat || exit 1
read -r boot </proc/sys/kernel/random/boot_id || exit 1
ticks=$(started \${line##*) })
printf '{"pid":%s,"startTicks":"%s","bootId":"%s"}\\n' "$$" "$ticks" "$boot" >"leader.$$" || exit 1
ln "leader.$$" leader.json 2>/dev/null
claimed=$?
rm -f "leader.$$"
[ "$claimed" = 0 ] || exit 0
sync leader.json . 2>/dev/null
sh -c "$loop_text" tool-loop "$root/work" </dev/null &
loop=$!
"$@" agent --root "$root" </dev/null &
agent=$!
[ -n "$stopping" ] && kill -TERM "$agent" 2>/dev/null
code=127
while :; do
  stopping=
  wait "$agent"
  got=$?
  [ "$got" = 127 ] || code=$got
  [ -n "$stopping" ] || break
done
tries=0
while [ "$tries" -lt 100 ] && kill -TERM "$loop" 2>/dev/null; do
  tries=$((tries + 1))
  sleep 0.1 2>/dev/null || sleep 1
done
for stat in /proc/[0-9]*/stat; do
  { read -r line <"$stat"; } 2>/dev/null || continue
  set -- \${line##*) }
  [ "$3" = "$$" ] && [ "\${line%% *}" != "$$" ] && kill -KILL "\${line%% *}" 2>/dev/null
done
rm -rf work private
printf '{"exitCode":%s}\\n' "$code" >"ended.$$" && ln "ended.$$" ended.json
rm -f "ended.$$"
`;
