-- name: list
SELECT letter_id, chunk_id, reason, rows, length(body) AS bytes, died_at FROM dead_letters
WHERE $1::bigint[] IS NULL OR letter_id = ANY($1)
ORDER BY letter_id

-- name: letter
SELECT letter_id, chunk_id, reason, rows, body, died_at FROM dead_letters WHERE letter_id = $1

-- A letter that has died again since it was read is another one.
-- name: remove
DELETE FROM dead_letters WHERE letter_id = $1 AND died_at = $2 RETURNING true

-- name: forgive
DELETE FROM failures f USING unnest($1::uuid[], $2::integer[]) AS k (ingest_id, part)
WHERE f.ingest_id = k.ingest_id AND f.part = k.part

-- The newest letters alone are looked at: it is asked at every look at the readiness.
-- name: recent
SELECT count(*) FROM (
    SELECT died_at FROM dead_letters ORDER BY letter_id DESC LIMIT $1
) newest
WHERE died_at > now() - interval '1 minute'
