-- name: keep_dead_letter
INSERT INTO dead_letters (chunk_id, reason, rows, body) VALUES ($1, $2, $3, $4)
ON CONFLICT (chunk_id) DO UPDATE SET reason = EXCLUDED.reason, died_at = now()

-- name: fail_parts
INSERT INTO failures (ingest_id, part, reason)
SELECT ingest_id, part, $3 FROM unnest($1::uuid[], $2::integer[]) AS k (ingest_id, part)
ON CONFLICT (ingest_id, part) DO UPDATE SET reason = EXCLUDED.reason

-- name: list_dead_letters
SELECT letter_id, chunk_id, reason, rows, length(body) AS bytes, died_at FROM dead_letters
WHERE $1::bigint[] IS NULL OR letter_id = ANY($1)
ORDER BY letter_id

-- name: read_dead_letter
SELECT letter_id, chunk_id, reason, rows, body, died_at FROM dead_letters WHERE letter_id = $1

-- A dead letter that has died again since it was read is another one.
-- name: remove_dead_letter
DELETE FROM dead_letters WHERE letter_id = $1 AND died_at = $2 RETURNING true

-- name: requeue_parts
DELETE FROM failures f USING unnest($1::uuid[], $2::integer[]) AS k (ingest_id, part)
WHERE f.ingest_id = k.ingest_id AND f.part = k.part

-- Only the newest $1 are counted, because every readiness probe runs this.
-- name: count_recent
SELECT count(*) FROM (
    SELECT died_at FROM dead_letters ORDER BY letter_id DESC LIMIT $1
) newest
WHERE died_at > now() - interval '1 minute'
