-- name: today
SELECT current_date

-- name: store_taxonomy
INSERT INTO taxonomy (version, categories) VALUES ($1, $2)
ON CONFLICT (version) DO UPDATE SET categories = excluded.categories
