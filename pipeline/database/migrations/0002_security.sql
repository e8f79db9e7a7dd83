-- Idempotency keys, the audit log, and roles that may do no more than their processes need.

-- `request` and `answer` are made with the caller's token, which is not kept: whoever reads this
-- table learns neither. An answer of NULL is a request that runs, or that died before `lease_until`.
CREATE TABLE idempotency (
    token_id    uuid NOT NULL REFERENCES tokens ON DELETE CASCADE,
    key         text NOT NULL,
    request     bytea NOT NULL,
    claim       uuid NOT NULL,
    lease_until timestamptz NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    answer      bytea,
    PRIMARY KEY (token_id, key)
);
CREATE INDEX idempotency_created ON idempotency (created_at);

-- Written by triggers that run as the owner of the tables: whoever acts, through whatever program,
-- leaves a line and can change none. `actor` is whom the program says that it acts for.
CREATE TABLE audit (
    audit_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    act         text NOT NULL,
    subject     text NOT NULL,
    actor       text DEFAULT nullif(current_setting('spendline.actor', true), ''),
    login       text NOT NULL DEFAULT session_user,
    application text NOT NULL DEFAULT current_setting('application_name'),
    details     jsonb
);

-- Arguments: the act, the column that names the subject, the columns to keep as details.
CREATE FUNCTION note_act() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE touched jsonb;
BEGIN
    IF TG_OP = 'DELETE' THEN touched := to_jsonb(OLD); ELSE touched := to_jsonb(NEW); END IF;
    INSERT INTO audit (act, subject, details) VALUES (
        TG_ARGV[0],
        touched ->> TG_ARGV[1],
        (SELECT jsonb_object_agg(kept, touched -> kept) FROM unnest(TG_ARGV[2:]) kept)
    );
    RETURN NULL;
END $$;

CREATE TRIGGER note_creation AFTER INSERT ON tokens FOR EACH ROW
EXECUTE FUNCTION note_act('token.created', 'token_id', 'name', 'scopes', 'user_id', 'expires_at');
CREATE TRIGGER note_revocation AFTER UPDATE OF revoked_at ON tokens FOR EACH ROW
WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL)
EXECUTE FUNCTION note_act('token.revoked', 'token_id', 'name');
CREATE TRIGGER note_erasure AFTER DELETE ON users FOR EACH ROW
EXECUTE FUNCTION note_act('user.erased', 'user_id');
CREATE TRIGGER note_migration AFTER INSERT ON migrations FOR EACH ROW
EXECUTE FUNCTION note_act('migration.applied', 'name', 'checksum');
INSERT INTO audit (at, act, subject, details)
SELECT applied_at, 'migration.applied', name, jsonb_build_object('checksum', checksum)
FROM migrations;

-- What each group may do. A later migration that makes a table adds its lines and calls
-- grant_roles(), which leaves out the roles that are not there.
CREATE TABLE role_grants (
    role text NOT NULL,
    what text NOT NULL,
    PRIMARY KEY (role, what)
);
INSERT INTO role_grants VALUES
    ('spendline_api', 'SELECT ON secrets, users, accounts, tokens, feeds, transactions, identity,
                       receipts, failures, taxonomy, migrations'),
    ('spendline_api', 'INSERT ON users, accounts, tokens, feeds'),
    ('spendline_api', 'UPDATE (last_used_at) ON tokens'),
    ('spendline_api', 'DELETE ON users, feeds, transactions, identity'),
    ('spendline_api', 'SELECT, INSERT, UPDATE, DELETE ON idempotency'),
    ('spendline_worker', 'SELECT ON taxonomy, migrations'),
    ('spendline_worker', 'SELECT, UPDATE ON feeds'),
    ('spendline_worker', 'SELECT, INSERT, DELETE ON transactions, ledger, receipts'),
    ('spendline_worker', 'SELECT, INSERT, UPDATE, DELETE ON identity, dead_letters, failures'),
    ('spendline_worker', 'SELECT (created_at), DELETE ON idempotency'),
    ('spendline_worker', 'EXECUTE ON FUNCTION create_month'),
    ('spendline_migrate', 'ALL ON ALL TABLES IN SCHEMA {schema}'),
    ('spendline_migrate', 'ALL ON ALL FUNCTIONS IN SCHEMA {schema}'),
    ('spendline_migrate', 'USAGE, CREATE ON SCHEMA {schema}'),
    ('spendline_api', 'USAGE ON SCHEMA {schema}'),
    ('spendline_worker', 'USAGE ON SCHEMA {schema}');

-- Months are read and written under their own names too: whoever may use the whole may use them.
CREATE FUNCTION share_month(month regclass) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE allowed record;
BEGIN
    FOR allowed IN
        SELECT a.grantee::regrole AS role, a.privilege_type AS what
        FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.oid = 'transactions'::regclass AND a.grantee NOT IN (0, c.relowner)
    LOOP
        EXECUTE format('GRANT %s ON %s TO %s', allowed.what, month, allowed.role);
    END LOOP;
END $$;

-- Only the owner of `transactions` may attach a month to it; through this, workers may too.
CREATE FUNCTION create_month(first date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    month text := to_char(first, '"transactions_"YYYY_MM');
    after date := first + interval '1 month';
BEGIN
    IF extract(day FROM first) <> 1 THEN
        RAISE EXCEPTION 'a month begins on its first day' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE transactions INCLUDING DEFAULTS INCLUDING INDEXES)', month);
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT month CHECK (booked_on >= %L AND booked_on < %L)',
                   month, first, after);
    EXECUTE format('ALTER TABLE transactions ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   month, first, after);
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT month', month);
    PERFORM share_month(month::regclass);
    INSERT INTO audit (act, subject) VALUES ('partition.created', to_char(first, 'YYYY-MM'));
END $$;

CREATE FUNCTION grant_roles() RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE granted record;
BEGIN
    FOR granted IN SELECT role, what FROM role_grants WHERE to_regrole(role) IS NOT NULL LOOP
        EXECUTE format('GRANT %s TO %I',
                       replace(granted.what, '{schema}', quote_ident(current_schema())), granted.role);
    END LOOP;
    PERFORM share_month(inhrelid) FROM pg_inherits WHERE inhparent = 'transactions'::regclass;
END $$;

REVOKE EXECUTE ON FUNCTION note_act, share_month, create_month, grant_roles FROM PUBLIC;

-- Roles belong to the whole server. Where the migrating user may not make them, an administrator
-- can do it later and call grant_roles().
DO $$
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
    PERFORM grant_roles();
END $$;
