#!/bin/sh
# Starts the server the way the official image does, as far as the tests need it: an empty PGDATA becomes a cluster with
# the superuser, password and database that the environment names; scram on every address. Started as root it goes on as
# the user postgres; under any other uid it stays that uid. Anything but `postgres` is run as it is.
set -eu

if [ "${1:-}" != postgres ]; then
  exec "$@"
fi

if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA"
  chown -R postgres:postgres "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA"
  chmod 0700 "$PGDATA" 2>/dev/null || true
  password_file=${POSTGRES_PASSWORD_FILE:-}
  if [ -z "$password_file" ]; then
    if [ -z "${POSTGRES_PASSWORD:-}" ]; then
      echo 'set POSTGRES_PASSWORD_FILE or POSTGRES_PASSWORD' >&2
      exit 1
    fi
    password_file=$(mktemp)
    printf '%s' "$POSTGRES_PASSWORD" > "$password_file"
  fi
  user=${POSTGRES_USER:-postgres}
  initdb --pgdata="$PGDATA" --username="$user" --pwfile="$password_file" --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
  [ -n "${POSTGRES_PASSWORD_FILE:-}" ] || rm -f "$password_file"
  {
    echo 'local all all trust'
    echo 'local replication all trust'
    echo 'host all all all scram-sha-256'
    echo 'host replication all all scram-sha-256'
  } > "$PGDATA/pg_hba.conf"
  echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
  database=${POSTGRES_DB:-$user}
  if [ "$database" != postgres ]; then
    # The name is passed as an argument of createdb: quoting it is createdb's business, whatever it holds.
    pg_ctl --pgdata="$PGDATA" --wait --options="-c listen_addresses=''" --silent start
    createdb --username="$user" --maintenance-db=postgres -- "$database"
    pg_ctl --pgdata="$PGDATA" --wait --mode=fast --silent stop
  fi
fi

exec "$@"
