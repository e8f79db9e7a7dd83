-- The statement is one line: the server without sessions ends a statement at the line's end.
-- name: create_database
CREATE DATABASE {name}
