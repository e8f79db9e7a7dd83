-- Restores: every feed goes on beyond all positions that it ever gave out.

-- Positions given out after a backup and void since it was restored; NULL: none.
ALTER TABLE feeds ADD COLUMN undone int8multirange;

CREATE TABLE restores (
    restored_at  timestamptz PRIMARY KEY DEFAULT clock_timestamp(),
    backed_up_at timestamptz NOT NULL
);
CREATE TRIGGER note_restore AFTER INSERT ON restores FOR EACH ROW
EXECUTE FUNCTION note_act('database.restored', 'restored_at', 'backed_up_at');

-- The groups of role_grants belong to the server, not to the database: a restored one may miss them.
CREATE FUNCTION make_roles() RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE wanted text;
BEGIN
    FOR wanted IN SELECT DISTINCT role FROM role_grants ORDER BY role LOOP
        BEGIN
            IF to_regrole(wanted) IS NULL THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            END IF;
        EXCEPTION WHEN insufficient_privilege OR duplicate_object OR unique_violation THEN
            RAISE NOTICE 'the role % was not made here', wanted;
        END;
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION make_roles FROM PUBLIC;

INSERT INTO role_grants VALUES ('spendline_api', 'SELECT ON restores');
SELECT grant_roles();
