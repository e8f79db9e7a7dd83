-- A second call with the same external id finds the first user. No row means that both calls ran at
-- once; another try finds the user.
-- name: create_user
WITH inserted AS (
    INSERT INTO users (external_id) VALUES ($1)
    ON CONFLICT (external_id) DO NOTHING RETURNING user_id, external_id
), feed AS (
    INSERT INTO feeds (user_id) SELECT user_id FROM inserted
)
SELECT user_id, external_id, 0::bigint AS position, true AS created FROM inserted
UNION ALL
SELECT user_id, external_id, position, false FROM users JOIN feeds USING (user_id)
WHERE external_id = $1

-- name: read_user
SELECT user_id, external_id, position FROM users JOIN feeds USING (user_id) WHERE user_id = $1

-- Writers lock the feed first, so a later writer finds no feed and discards its rows.
-- name: erase_feed
DELETE FROM feeds WHERE user_id = $1 RETURNING true

-- name: erase_transactions
DELETE FROM transactions WHERE user_id = $1

-- name: erase_identity
DELETE FROM identity WHERE digest BETWEEN $2 AND $3 AND user_id = $1

-- name: erase_user
DELETE FROM users WHERE user_id = $1
