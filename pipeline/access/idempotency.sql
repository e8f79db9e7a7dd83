-- The key is ours when it is new, is a day old, or has an expired lease and the same request without
-- an answer. Otherwise the row says who holds it; no row means that it was taken this very moment.
-- name: claim_key
WITH ours AS (
    INSERT INTO idempotency AS i (token_id, key, request, claim, lease_until)
    VALUES ($1, $2, $3, gen_random_uuid(), now() + $4)
    ON CONFLICT (token_id, key) DO UPDATE
    SET request = excluded.request, claim = excluded.claim, lease_until = excluded.lease_until,
        created_at = now(), answer = NULL
    WHERE i.created_at < now() - $5::interval
       OR (i.answer IS NULL AND i.lease_until < now() AND i.request = excluded.request)
    RETURNING claim
)
SELECT claim, true AS same, NULL AS answer FROM ours
UNION ALL
SELECT NULL, request = $3, answer FROM idempotency
WHERE token_id = $1 AND key = $2 AND NOT EXISTS (SELECT FROM ours)

-- name: keep_answer
UPDATE idempotency SET answer = $2 WHERE claim = $1 AND token_id = $3 AND key = $4

-- name: release_key
DELETE FROM idempotency WHERE claim = $1 AND token_id = $2 AND key = $3 AND answer IS NULL

-- name: delete_old_keys
DELETE FROM idempotency WHERE created_at < now() - $1::interval
