-- name: create_token
INSERT INTO tokens (digest, name, scopes, user_id, expires_at)
SELECT $1, $2, $3, $4, now() + $5::interval
WHERE $4::uuid IS NULL OR EXISTS (SELECT FROM users WHERE user_id = $4)
RETURNING token_id, expires_at

-- name: list_tokens
SELECT token_id, name, scopes, user_id, created_at, expires_at, revoked_at, last_used_at
FROM tokens ORDER BY created_at, token_id

-- name: revoke_token
UPDATE tokens SET revoked_at = coalesce(revoked_at, now()) WHERE token_id = $1 RETURNING true

-- name: read_valid_token
SELECT token_id, digest, scopes, user_id, expires_at,
       last_used_at IS NULL OR last_used_at < now() - interval '1 minute' AS use_is_old
FROM tokens
WHERE digest = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())

-- The use is written once a minute, also when several processes see the token.
-- name: record_use
UPDATE tokens SET last_used_at = now()
WHERE token_id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
