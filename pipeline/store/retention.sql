-- name: delete_ledger_rows
DELETE FROM ledger WHERE chunk_id < $1

-- name: delete_receipts
DELETE FROM receipts WHERE ingest_id < $1
