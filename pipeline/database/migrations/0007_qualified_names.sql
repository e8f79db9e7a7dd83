-- A function that runs as its owner must not find a caller's temporary objects. PostgreSQL looks for
-- tables and types in the temporary schema first, unless the search path names that schema last.
-- So every name below is qualified, every function has a fixed search path, and nobody but the
-- owner may make temporary tables.

DO $migration$
DECLARE
    home text := current_schema();
    signature regprocedure;
BEGIN
    EXECUTE format($function$
        CREATE OR REPLACE FUNCTION %1$I.note_act() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER AS $$
        DECLARE touched pg_catalog.jsonb;
        BEGIN
            IF TG_OP = 'DELETE' THEN
                touched := pg_catalog.to_jsonb(OLD);
            ELSE
                touched := pg_catalog.to_jsonb(NEW);
            END IF;
            INSERT INTO %1$I.audit (act, subject, details) VALUES (
                TG_ARGV[0],
                touched ->> TG_ARGV[1],
                (SELECT pg_catalog.jsonb_object_agg(kept, touched -> kept)
                 FROM pg_catalog.unnest(TG_ARGV[2:]) kept)
            );
            RETURN NULL;
        END $$
        $function$, home, format('%I.transactions', home));

    EXECUTE format($function$
        CREATE OR REPLACE FUNCTION %1$I.share_month(month pg_catalog.regclass) RETURNS void
        LANGUAGE plpgsql AS $$
        DECLARE allowed record;
        BEGIN
            FOR allowed IN
                SELECT a.grantee::pg_catalog.regrole AS role, a.privilege_type AS what
                FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
                WHERE c.oid = %2$L::pg_catalog.regclass
                  AND a.grantee NOT IN (0, c.relowner)
            LOOP
                EXECUTE pg_catalog.format('GRANT %%s ON %%s TO %%s', allowed.what, month, allowed.role);
            END LOOP;
        END $$
        $function$, home, format('%I.transactions', home));

    EXECUTE format($function$
        CREATE OR REPLACE FUNCTION %1$I.create_month(first pg_catalog.date) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER AS $$
        DECLARE
            month pg_catalog.text := %2$L || pg_catalog.to_char(first, '"_"YYYY_MM');
            after pg_catalog.date := first + pg_catalog.make_interval(months => 1);
        BEGIN
            IF extract(day FROM first) <> 1 THEN
                RAISE EXCEPTION 'a month begins on its first day'
                USING ERRCODE = 'invalid_parameter_value';
            END IF;
            EXECUTE pg_catalog.format(
                'CREATE TABLE %%s (LIKE %1$I.transactions INCLUDING DEFAULTS INCLUDING INDEXES)', month);
            PERFORM %1$I.analyse_seldom(month::pg_catalog.regclass);
            EXECUTE pg_catalog.format(
                'ALTER TABLE %%s ADD CONSTRAINT month CHECK (booked_on >= %%L AND booked_on < %%L)',
                month, first, after);
            EXECUTE pg_catalog.format(
                'ALTER TABLE %1$I.transactions ATTACH PARTITION %%s FOR VALUES FROM (%%L) TO (%%L)',
                month, first, after);
            EXECUTE pg_catalog.format('ALTER TABLE %%s DROP CONSTRAINT month', month);
            PERFORM %1$I.share_month(month::pg_catalog.regclass);
            INSERT INTO %1$I.audit (act, subject)
            VALUES ('partition.created', pg_catalog.to_char(first, 'YYYY-MM'));
        END $$
        $function$, home, format('%I.transactions', home));

    -- The database's own rights are not part of a backup, so they are set here, at each grant.
    EXECUTE format($function$
        CREATE OR REPLACE FUNCTION %1$I.grant_roles() RETURNS void
        LANGUAGE plpgsql AS $$
        DECLARE
            granted record;
            base pg_catalog.text := pg_catalog.quote_ident(pg_catalog.current_database());
        BEGIN
            EXECUTE pg_catalog.format('REVOKE CONNECT, TEMPORARY ON DATABASE %%s FROM PUBLIC', base);
            REVOKE CREATE ON SCHEMA %1$I FROM PUBLIC;
            FOR granted IN
                SELECT g.role, g.what FROM %1$I.role_grants g
                WHERE pg_catalog.to_regrole(g.role) IS NOT NULL
            LOOP
                EXECUTE pg_catalog.format('GRANT %%s TO %%I', pg_catalog.replace(pg_catalog.replace(
                    granted.what, '{schema}', pg_catalog.quote_ident(%1$L)), '{database}', base),
                    granted.role);
            END LOOP;
            PERFORM %1$I.share_month(i.inhrelid) FROM pg_catalog.pg_inherits i
            WHERE i.inhparent = %2$L::pg_catalog.regclass;
        END $$
        $function$, home, format('%I.transactions', home));

    FOR signature IN
        SELECT p.oid::regprocedure FROM pg_proc p
        JOIN pg_namespace n ON n.oid = p.pronamespace
        JOIN pg_language l ON l.oid = p.prolang
        WHERE n.nspname = home AND l.lanname = 'plpgsql'
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', signature, home);
    END LOOP;
END $migration$;

INSERT INTO role_grants VALUES
    ('spendline_api', 'CONNECT ON DATABASE {database}'),
    ('spendline_worker', 'CONNECT ON DATABASE {database}'),
    ('spendline_migrate', 'CONNECT, TEMPORARY ON DATABASE {database}');
SELECT grant_roles();
