-- Seconds since 1970, at this moment and not at the start of the transaction.
-- name: now
SELECT extract(epoch FROM clock_timestamp())::float8

-- name: read_time
SELECT now()
