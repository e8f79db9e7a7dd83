-- name: list_acts
SELECT at, act, subject, actor, login, application, details FROM audit
ORDER BY audit_id DESC LIMIT $1
