-- name: bound_wait
SELECT set_config('lock_timeout', $1, true)

-- name: lock
SELECT pg_advisory_xact_lock($1)

-- For an operator: the sessions with the lock.
-- name: lock_holders
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 1541722398

-- name: unbound_wait
SET LOCAL lock_timeout TO DEFAULT

-- name: make_journal
CREATE TABLE IF NOT EXISTS migrations (
    name       text PRIMARY KEY,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)

-- name: applied
SELECT name, checksum FROM migrations

-- name: record
INSERT INTO migrations (name, checksum) VALUES ($1, $2)
