-- name: create_account
WITH inserted AS (
    INSERT INTO accounts (user_id, external_id, name, type, currency)
    SELECT user_id, $2, $3, $4, $5 FROM users WHERE user_id = $1
    ON CONFLICT (user_id, external_id) DO NOTHING
    RETURNING account_id, user_id, external_id, name, type, currency
)
SELECT account_id, user_id, external_id, name, type, currency, true AS created FROM inserted
UNION ALL
SELECT account_id, user_id, external_id, name, type, currency, false FROM accounts
WHERE user_id = $1 AND external_id = $2

-- name: list_accounts
SELECT account_id, user_id, external_id, name, type, currency FROM accounts
WHERE user_id = $1 ORDER BY created_at, account_id

-- name: find_owners
SELECT account_id::text AS account, uuid_send(account_id) AS account_id,
       uuid_send(user_id) AS user_id
FROM accounts WHERE account_id = ANY($1::uuid[])
