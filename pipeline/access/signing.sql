-- name: signing_key
SELECT value FROM secrets WHERE name = 'signing'
