#!/bin/sh
# Runs once, when the database is made: the roles with their passwords, from one file each.
# `process-meter warehouse roles` gives them their rights.
set -eu
for role in owner ingest analyst dashboard; do
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
        --set role="process_meter_$role" --set password="$(cat "${SECRETS:-/run/secrets}/database_$role")" <<'SQL'
CREATE ROLE :"role" LOGIN PASSWORD :'password';
SQL
done
