#!/bin/sh
# Runs a script of the project with the project's own Node, on a machine that may have another one and no node_modules.
# npm puts node_modules/.bin first in PATH, so once the dependencies are there `node` is the pinned one.
set -eu
cd "$(dirname "$0")/.."
lock=$(cksum package.json package-lock.json)
stamp=node_modules/.backstay-lock
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$lock" ]; then
  echo "backstay: installing dependencies (npm ci) ..." >&2
  npm ci --no-fund --no-audit --loglevel=error >&2
  printf '%s' "$lock" > "$stamp"
fi
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
exec node --disable-warning=ExperimentalWarning "$@"
