/**
 * The program of the tool container, in POSIX `sh`: it runs the agent's steps beside the database's own tools. The same
 * text runs in the pod and standalone: `sh -c "$toolLoop" tool-loop <work directory>`. `agent/steps.ts` is the other side.
 *
 * In the work directory:
 * - `boot`: a number, one higher at every start of the loop. A step that was begun under another number is lost.
 * - `control`: a FIFO that appears when the agent has it open for writing. Lines: `run N`, `kill N` (the first time TERM,
 *   the second time KILL). Its end means that the agent is gone.
 * - `step-N/cmd`: the step, one line of `sh`. `in`: a FIFO for its standard input, or none. `out`: a FIFO for its standard
 *   output. The loop writes `err`, `pid`, and at the end `exit` (`<boot> <code>`), renamed into place.
 *
 * Why it is as it is:
 * - `trap`: the loop is PID 1 of its container, and PID 1 ignores TERM; without it every pod ends 30 s late.
 * - After the end of `control` it waits for TERM: a sidecar that exits is started again. Standalone it also ends when it
 *   has another parent than at its start; in a pod the parent is 0. Asking whether the first parent runs would not do: its
 *   number may be another process's by now, or a zombie's that nobody reaps.
 * - `3<>control` never blocks on a FIFO, a plain open would wait for ever for an agent that died; 4 then sees the end.
 * - `exec 4<&-` in what waits for a tool: dash and busybox keep a copy of what a plain `4<&-` closes, and with a reader
 *   left the agent does not notice that the loop is dead.
 * - `begun` also before the end: a TERM just after `run` would else find no `pid` to kill, and the tool would stay. By `$!`,
 *   for the trap can come before any assignment; for five seconds at most, for it can come before the start, too.
 * - `umask 007`: agent and tool have different uids and one group.
 */
export const toolLoop = `
umask 007
cd "$1" || exit 1
nap() { sleep 0.1 2>/dev/null || sleep 1; }
orphaned() {
  [ "$PPID" -gt 0 ] || return 1
  read -r _ _ _ parent _ </proc/self/stat && [ "$parent" != "$PPID" ]
}
live() {
  pids=
  for file in step-*/pid; do
    if [ -f "$file" ] && [ ! -e "\${file%pid}exit" ]; then
      read -r pid of <"$file" && [ "$of" = "$boot" ] && kill -0 "$pid" 2>/dev/null && pids="$pids $pid"
    fi
  done
  [ -n "$pids" ]
}
end_all() {
  live || return 0
  kill -TERM $pids 2>/dev/null
  tries=0
  while [ "$tries" -lt 50 ]; do
    live || return 0
    nap
    tries=$((tries + 1))
  done
  kill -KILL $pids 2>/dev/null
}
run_step() {
  input=/dev/null
  [ -p "$1/in" ] && input=$1/in
  ( . "./$1/cmd" ) <"$input" >"$1/out" 2>"$1/err" &
  pid=$!
  printf '%s %s\\n' "$pid" "$boot" >"$1/pid.new" && mv -f "$1/pid.new" "$1/pid"
  wait "$pid"
  printf '%s %s\\n' "$boot" "$?" >"$1/exit.new" && mv -f "$1/exit.new" "$1/exit"
}
begun() {
  tries=0
  until [ -z "$!" ] || [ -e "step-$step/pid" ] || [ ! -d "step-$step" ] || ! kill -0 "$!" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -eq "$1" ] && return
    [ "$tries" -gt 200 ] && nap
  done
}
boot=0
trap 'begun 250; end_all; exit 0' TERM INT HUP
[ -f boot ] && read -r boot <boot
boot=$((boot + 1))
printf '%s\\n' "$boot" >boot.new && mv -f boot.new boot || exit 1
while [ ! -p control ]; do
  orphaned && exit 0
  nap
done
exec 3<>control 4<control 3>&-
while read -r verb step <&4; do
  case $verb in
    run)
      { exec 4<&-; run_step "step-$step"; } &
      begun 0
      ;;
    kill)
      if [ -f "step-$step/pid" ] && [ ! -e "step-$step/exit" ]; then
        read -r pid of <"step-$step/pid"
        signal=TERM
        [ -e "step-$step/killed" ] && signal=KILL
        : >"step-$step/killed"
        [ "$of" = "$boot" ] && kill -"$signal" "$pid" 2>/dev/null
      fi
      ;;
  esac
done
end_all
while ! orphaned; do nap; done
`;
