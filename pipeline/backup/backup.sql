-- name: export_snapshot
SELECT pg_export_snapshot() AS snapshot, now() AS made_at,
       current_setting('server_version') AS server_version,
       (SELECT jsonb_object_agg(name, checksum) FROM migrations) AS migrations

-- name: count_rows
SELECT (SELECT count(*) FROM users) AS users,
       (SELECT count(*) FROM accounts) AS accounts,
       (SELECT count(*) FROM tokens) AS tokens,
       (SELECT count(*) FROM feeds) AS feeds,
       (SELECT count(*) FROM identity) AS identities,
       (SELECT count(*) FROM receipts) AS receipts,
       (SELECT count(*) FROM dead_letters) AS dead_letters,
       t.count AS transactions, t.model_version
FROM (SELECT count(*), coalesce(max(model_version), 0) AS model_version FROM transactions) t

-- name: note_backup
INSERT INTO audit (act, subject, details) VALUES ('database.backed_up', current_database(), $1)

-- name: read_database
SELECT pg_get_userbyid(datdba) AS owner, current_user AS login, datcollate, datctype
FROM pg_database WHERE datname = $1

-- name: is_empty
SELECT NOT EXISTS (
    SELECT FROM pg_class
    WHERE relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
      AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
)

-- name: list_sessions
SELECT DISTINCT
    format('%s (%s)', coalesce(nullif(application_name, ''), 'unnamed'), usename) AS session
FROM pg_stat_activity
WHERE datname = $1 AND backend_type = 'client backend' AND pid <> pg_backend_pid()
ORDER BY 1

-- Microseconds since 1970 are more than any feed can have counted to since the backup was made. They
-- stay below 2^53, so that every client can read them.
-- name: new_position
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint

-- Every feed goes on at $1. The positions that it gave out after the backup was made are void.
-- name: resume_feeds
UPDATE feeds SET undone = coalesce(undone, '{}') + int8multirange(int8range(position + 1, $1)),
                 position = $1

-- name: note_restore
INSERT INTO restores (backed_up_at) VALUES ($1)

-- Answers kept under idempotency keys may name ingests that are no longer stored.
-- name: forget_keys
DELETE FROM idempotency

-- name: make_roles
SELECT make_roles()

-- name: list_missing_roles
SELECT DISTINCT role FROM role_grants WHERE to_regrole(role) IS NULL ORDER BY 1

-- pg_dump names the roles of another server in its privileges, so they are granted anew.
-- name: revoke_execution
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC

-- name: grant_roles
SELECT grant_roles()

-- name: analyze
ANALYZE

-- PostgreSQL takes no parameters in the statements below, so names are filled in.
-- name: create_database
CREATE DATABASE "{name}" TEMPLATE template0 ENCODING 'UTF8'
    LC_COLLATE '{collate}' LC_CTYPE '{ctype}'

-- name: rename_database
ALTER DATABASE "{name}" RENAME TO "{new_name}"

-- name: drop_database
DROP DATABASE "{name}"

-- name: drop_database_in_use
DROP DATABASE "{name}" WITH (FORCE)
