-- name: snapshot
SELECT pg_export_snapshot() AS snapshot, now() AS made_at,
       current_setting('server_version') AS server_version,
       (SELECT jsonb_object_agg(name, checksum) FROM migrations) AS migrations

-- name: contents
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

-- name: database
SELECT pg_get_userbyid(datdba) AS owner, current_user AS us, datcollate, datctype
FROM pg_database WHERE datname = $1

-- name: is_empty
SELECT NOT EXISTS (
    SELECT FROM pg_class
    WHERE relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
      AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
)

-- name: sessions
SELECT DISTINCT format('%s (%s)', coalesce(nullif(application_name, ''), 'unnamed'), usename)
FROM pg_stat_activity
WHERE datname = $1 AND backend_type = 'client backend' AND pid <> pg_backend_pid()
ORDER BY 1

-- Microseconds since 1970: more than any feed can have counted to since the backup was made, and
-- below 2^53, so that every client can read it.
-- name: base
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint

-- Every feed goes on at $1. What it gave out after the backup was made is void.
-- name: resume
UPDATE feeds SET undone = coalesce(undone, '{}') + int8multirange(int8range(position + 1, $1)),
                 position = $1

-- name: note_restore
INSERT INTO restores (backed_up_at) VALUES ($1)

-- Answers kept for keys may speak of ingests that are not stored any more.
-- name: forget_keys
DELETE FROM idempotency

-- name: make_roles
SELECT make_roles()

-- name: missing_roles
SELECT DISTINCT role FROM role_grants WHERE to_regrole(role) IS NULL ORDER BY 1
