-- A second call with the same external id finds the first user: no rows mean that both happened
-- at once, and that asking again will find it.
-- name: create_user
WITH made AS (
    INSERT INTO users (external_id) VALUES ($1)
    ON CONFLICT (external_id) DO NOTHING RETURNING user_id, external_id
), feed AS (
    INSERT INTO feeds (user_id) SELECT user_id FROM made
)
SELECT user_id, external_id, 0::bigint AS position, true AS created FROM made
UNION ALL
SELECT user_id, external_id, position, false FROM users JOIN feeds USING (user_id)
WHERE external_id = $1

-- name: user
SELECT user_id, external_id, position FROM users JOIN feeds USING (user_id) WHERE user_id = $1

-- Writers lock the feed first, so whoever comes later finds no feed and discards its rows.
-- name: erase_feed
DELETE FROM feeds WHERE user_id = $1 RETURNING true

-- name: erase_transactions
DELETE FROM transactions WHERE user_id = $1

-- name: erase_identity
DELETE FROM identity WHERE digest BETWEEN $2 AND $3 AND user_id = $1

-- name: erase_user
DELETE FROM users WHERE user_id = $1

-- name: create_account
WITH made AS (
    INSERT INTO accounts (user_id, external_id, name, type, currency)
    SELECT user_id, $2, $3, $4, $5 FROM users WHERE user_id = $1
    ON CONFLICT (user_id, external_id) DO NOTHING RETURNING *
)
SELECT account_id, user_id, external_id, name, type, currency, true AS created FROM made
UNION ALL
SELECT account_id, user_id, external_id, name, type, currency, false FROM accounts
WHERE user_id = $1 AND external_id = $2

-- name: accounts
SELECT account_id, user_id, external_id, name, type, currency FROM accounts
WHERE user_id = $1 ORDER BY created_at, account_id

-- name: owners
SELECT account_id::text AS account, uuid_send(account_id) AS account_id,
       uuid_send(user_id) AS user_id
FROM accounts WHERE account_id = ANY($1::uuid[])
