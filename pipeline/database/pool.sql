-- A standby, and a server whose disk is full by setting, refuses writes.
-- name: is_writable
SELECT current_setting('transaction_read_only') = 'off'
