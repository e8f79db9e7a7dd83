-- Ends with the transaction.
-- name: set_actor
SELECT set_config('spendline.actor', $1, true)
