-- name: months
SELECT c.relname AS name, greatest(c.reltuples, 0)::bigint AS rows,
       pg_total_relation_size(c.oid) AS bytes
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'transactions'::regclass
ORDER BY c.relname

-- name: lock
SELECT pg_advisory_xact_lock($1)

-- name: create_month
SELECT create_month($1)
