-- Identities are looked up by one number: 32 bits of the user, so that a user's lie together, and 32 of
-- the transaction. It says where to look, not what is there: user_id and id do.

ALTER TABLE identity RENAME TO identity_by_user;

CREATE TABLE identity (
    digest     bigint NOT NULL,
    booked_on  date,
    removed_at timestamptz,
    user_id    uuid NOT NULL,
    id         uuid NOT NULL
);
INSERT INTO identity
SELECT ('x' || encode(substring(uuid_send(user_id) for 4) || substring(uuid_send(id) for 4), 'hex'))
       ::bit(64)::bigint, booked_on, removed_at, user_id, id
FROM identity_by_user;
CREATE INDEX identity_digest ON identity (digest);

DROP TABLE identity_by_user;
SELECT grant_roles();
