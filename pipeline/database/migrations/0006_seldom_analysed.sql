-- No plan here depends on statistics (pipeline/database.py), but a table that grows fast was analysed
-- every few seconds while it was small, for a sixth of the database's CPU.

CREATE FUNCTION analyse_seldom(grown regclass) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s SET (autovacuum_analyze_threshold = 50000,
                                        autovacuum_vacuum_insert_threshold = 50000)', grown);
END $$;

CREATE OR REPLACE FUNCTION create_month(first date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    month text := to_char(first, '"transactions_"YYYY_MM');
    after date := first + interval '1 month';
BEGIN
    IF extract(day FROM first) <> 1 THEN
        RAISE EXCEPTION 'a month begins on its first day' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE transactions INCLUDING DEFAULTS INCLUDING INDEXES)', month);
    PERFORM analyse_seldom(month::regclass);
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT month CHECK (booked_on >= %L AND booked_on < %L)',
                   month, first, after);
    EXECUTE format('ALTER TABLE transactions ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   month, first, after);
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT month', month);
    PERFORM share_month(month::regclass);
    INSERT INTO audit (act, subject) VALUES ('partition.created', to_char(first, 'YYYY-MM'));
END $$;

REVOKE EXECUTE ON FUNCTION analyse_seldom FROM PUBLIC;

SELECT analyse_seldom('identity');
SELECT analyse_seldom(inhrelid) FROM pg_inherits WHERE inhparent = 'transactions'::regclass;
