-- name: feed_position
SELECT position FROM feeds WHERE user_id = $1

-- The row comparison alone would prune no partition: booked_on <= $3 does.
-- name: feed_page
SELECT f.position AS feed_position, t.*
FROM feeds f LEFT JOIN LATERAL (
    SELECT {columns} FROM transactions
    WHERE user_id = $1 AND booked_on >= $2 AND booked_on <= $3
      AND (booked_on, id) < ($4::date, $5::uuid)
      AND NOT removed
      AND ($6::text[] IS NULL OR category = ANY($6))
      AND ($7::uuid IS NULL OR account_id = $7)
      AND ($8::text IS NULL OR merchant_key = $8)
      AND ($9::jsonb IS NULL
           OR amount >= coalesce($9::jsonb ->> currency, $9::jsonb ->> '')::numeric)
      AND ($10::jsonb IS NULL
           OR amount <= coalesce($10::jsonb ->> currency, $10::jsonb ->> '')::numeric)
      AND ($11::boolean IS NULL OR needs_review = $11)
    ORDER BY booked_on DESC, id DESC
    LIMIT $12
) t ON true
WHERE f.user_id = $1
ORDER BY t.booked_on DESC, t.id DESC

-- A tombstone that first appeared after the cursor was never seen by this reader. `undone`: what the
-- reader saw up to $4 was partly lost by a restore.
-- name: sync_page
SELECT f.position AS feed_position, coalesce(f.undone @> $4::bigint, false) AS undone, t.*
FROM feeds f LEFT JOIN LATERAL (
    SELECT {columns} FROM transactions
    WHERE user_id = $1 AND booked_on >= $5 AND position > $2
      AND NOT (removed AND first_position > $2)
    ORDER BY position
    LIMIT $3
) t ON true
WHERE f.user_id = $1
ORDER BY t.position

-- name: transaction
SELECT f.position AS feed_position, t.*
FROM feeds f LEFT JOIN LATERAL (
    SELECT {columns}
    FROM identity JOIN transactions USING (user_id, booked_on, id)
    WHERE digest = $3 AND user_id = $1 AND id = $2 AND NOT removed
) t ON true
WHERE f.user_id = $1

-- Spending leaves out what only moves money: transfers, loans paid out, card payments; and income.
-- What a row counts as is decided once (OFFSET 0), not for each sum of each grouping.
-- name: spending
SELECT f.position AS feed_position, t.*
FROM feeds f LEFT JOIN LATERAL (
    SELECT grouping(category, merchant_key, account_id, booked_on) AS grouped,
           currency, category, merchant_key, max(merchant) AS merchant, account_id, booked_on,
           count(*) AS count,
           sum(amount)::bigint AS amount,
           coalesce(sum(amount) FILTER (WHERE amount > 0), 0)::bigint AS money_in,
           coalesce(-sum(amount) FILTER (WHERE amount < 0), 0)::bigint AS money_out,
           coalesce(sum(amount) FILTER (WHERE kind = 'i'), 0)::bigint AS income,
           coalesce(-sum(amount) FILTER (WHERE kind = 's'), 0)::bigint AS spending,
           coalesce(sum(amount) FILTER (WHERE kind = 't'), 0)::bigint AS transfers
    FROM (
        SELECT currency, category, merchant_key, merchant, account_id, booked_on, amount,
               CASE WHEN category LIKE 'INCOME\_%' THEN 'i'
                    WHEN category LIKE ANY ('{TRANSFER\\_%, LOAN\\_DISBURSEMENTS\\_%,
                                              LOAN_PAYMENTS_CREDIT_CARD_PAYMENT}'::text[]) THEN 't'
                    ELSE 's' END::"char" AS kind
        FROM transactions
        WHERE user_id = $1 AND booked_on >= $2 AND booked_on <= $3 AND NOT removed
        OFFSET 0
    ) counted
    GROUP BY GROUPING SETS (
        (currency), (currency, category), (currency, merchant_key),
        (currency, account_id), (currency, booked_on)
    )
) t ON true
WHERE f.user_id = $1

-- One row at least. What was accepted before a restore and is not stored: undone by it, unless it still
-- waits in the queue.
-- name: receipts
SELECT r.part, r.added, r.modified, r.unchanged, r.removed, r.discarded, r.users, r.positions, (
    SELECT reason FROM (
        SELECT part, reason FROM failures WHERE ingest_id = $1
        UNION ALL
        SELECT NULL, 'undone by a restore of the database: push it again'
        FROM restores WHERE restored_at > $2
    ) f ORDER BY part LIMIT 1
) AS reason
FROM (VALUES ($1::uuid)) AS asked (ingest_id) LEFT JOIN receipts r USING (ingest_id)

-- name: taxonomy
SELECT categories FROM taxonomy ORDER BY created_at DESC LIMIT 1
