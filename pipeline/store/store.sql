-- Long arrays are passed as text, because the driver visits each element of a list several times.

-- name: claim_chunk
INSERT INTO ledger (chunk_id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING true

-- Rows are locked one at a time, in the caller's order. After a wait PostgreSQL checks the condition of
-- a row again, and a condition on the whole array would be costly for each row.
-- name: lock_feeds
SELECT k.number, f.position
FROM unnest($1::text::uuid[]) WITH ORDINALITY AS k (user_id, number)
CROSS JOIN LATERAL (SELECT position FROM feeds WHERE user_id = k.user_id FOR UPDATE) f

-- name: read_positions
SELECT user_id, position FROM feeds WHERE user_id = ANY($1::text::uuid[])

-- Transactions may share a digest, so the caller selects its own by their ids.
-- name: find_identities
SELECT id, user_id, booked_on, removed_at FROM identity WHERE digest = ANY($1::text::bigint[])

-- These blocks name the table of one month, because planning over all months takes longer than the work.
-- name: read_versions
SELECT {columns}
FROM unnest($1::uuid[], $2::date[], $3::uuid[]) AS k (user_id, booked_on, id)
JOIN {month} USING (user_id, booked_on, id)

-- name: delete_versions
DELETE FROM {month} t
USING unnest($1::uuid[], $2::date[], $3::uuid[]) AS k (user_id, booked_on, id)
WHERE t.user_id = k.user_id AND t.booked_on = k.booked_on AND t.id = k.id

-- name: move_identities
UPDATE identity i SET booked_on = k.booked_on, removed_at = k.removed_at
FROM unnest($1::bigint[], $2::date[], $3::timestamptz[], $4::uuid[], $5::uuid[])
     AS k (digest, booked_on, removed_at, user_id, id)
WHERE i.digest = k.digest AND i.user_id = k.user_id AND i.id = k.id

-- name: advance_feeds
UPDATE feeds f SET position = k.position
FROM unnest($1::text::uuid[], $2::text::bigint[]) AS k (user_id, position)
WHERE f.user_id = k.user_id AND f.position < k.position
