-- name: has_journal
SELECT to_regclass('migrations') IS NOT NULL

-- name: applied_migrations
SELECT name FROM migrations

-- name: replay_state
SELECT pg_is_in_recovery(),
       pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
