-- Renewing data keys while the server runs.

-- Version of the data key that a value is sealed under; NULL if it is not a sealed value (see records::seal).
CREATE FUNCTION sealed_version(p_sealed bytea) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT CASE WHEN octet_length(p_sealed) >= 33 AND get_byte(p_sealed, 0) = 1
              THEN (get_byte(p_sealed, 1) << 24) | (get_byte(p_sealed, 2) << 16) | (get_byte(p_sealed, 3) << 8) | get_byte(p_sealed, 4) END $$;

-- Whether `p_new` is `p_old` with nothing changed but sealed values: each as long as before, under a later key.
CREATE FUNCTION only_resealed(p_old jsonb, p_new jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT p_old <> p_new AND NOT EXISTS (
        SELECT FROM jsonb_each(p_new) n JOIN jsonb_each(p_old) o USING (key)
        WHERE n.value <> o.value AND NOT coalesce(
            jsonb_typeof(n.value) = 'string' AND jsonb_typeof(o.value) = 'string'
            AND starts_with(n.value #>> '{}', '\x01') AND starts_with(o.value #>> '{}', '\x01')
            AND length(n.value #>> '{}') = length(o.value #>> '{}')
            AND sealed_version((n.value #>> '{}')::bytea) > sealed_version((o.value #>> '{}')::bytea), false)) $$;

-- Evidence: never changed or deleted, except that its sealed values may be sealed again under a later key. The app role has
-- no UPDATE on these tables, so the one way there is reseal() below.
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN
    IF TG_OP = 'UPDATE' AND only_resealed(to_jsonb(OLD), to_jsonb(NEW)) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'rows of % are evidence: they are never changed or deleted', TG_TABLE_NAME;
END $$;

-- Puts values that were sealed again in the place of the old ones, also in tables whose rows the app role may not change.
-- It runs as the owner, so it checks by itself what the owner could go around: the clinic, that both versions are the same
-- owner's, that the old one is retired and the new one active, and that nothing but the value's seal changes. Somebody who
-- runs SQL as the app and has a data key could put another text of the same length there; see docs/adr/0006.
-- The audit log is out of its reach. Gives how many were still as they had been read.
CREATE FUNCTION reseal(p_purpose text, p_owner uuid, p_table text, p_column text, p_at text[], p_old bytea[], p_new bytea[])
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_retired integer[];
    v_active integer;
    v_done integer := 0;
    v_one integer;
BEGIN
    IF p_table NOT IN (SELECT c.table_name FROM information_schema.columns c
                       WHERE c.table_schema = 'public' AND c.column_name = p_column AND c.data_type = 'bytea')
       OR p_table IN ('audit_event', 'data_key') OR p_table LIKE 'audit%' THEN
        RAISE EXCEPTION 'no sealed column %.%', p_table, p_column;
    END IF;
    SELECT array_agg(version) FILTER (WHERE retired_at IS NOT NULL), max(version) FILTER (WHERE activated_at IS NOT NULL AND retired_at IS NULL)
    INTO v_retired, v_active
    FROM data_key WHERE clinic_id = current_clinic() AND purpose = p_purpose AND owner_id = p_owner AND purpose IN ('clinic', 'patient');
    FOR i IN 1 .. cardinality(p_at) LOOP
        IF NOT coalesce(sealed_version(p_old[i]) = ANY (v_retired) AND sealed_version(p_new[i]) = v_active
                        AND octet_length(p_old[i]) = octet_length(p_new[i]), false) THEN
            RAISE EXCEPTION 'not a value of this owner sealed again under the active key';
        END IF;
        EXECUTE format('UPDATE %I SET %I = $1 WHERE ctid = $2::tid AND %I = $3 AND clinic_id = current_clinic()', p_table, p_column, p_column)
        USING p_new[i], p_at[i], p_old[i];
        GET DIAGNOSTICS v_one = ROW_COUNT;
        v_done := v_done + v_one;
    END LOOP;
    RETURN v_done;
END $$;
REVOKE ALL ON FUNCTION reseal FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reseal TO bedside_app;

-- Retired, and kept for what is never sealed again: the audit log, whose hashes are over the sealed bytes.
ALTER TABLE data_key ADD COLUMN kept_at timestamptz;
ALTER TABLE data_key ADD CHECK (kept_at IS NULL OR retired_at IS NOT NULL);

-- One renewal of data keys, from its beginning until all is done: a killed one goes on where it was.
CREATE TABLE key_rotation (
    key_rotation_id uuid PRIMARY KEY,
    clinic_id       uuid NOT NULL REFERENCES clinic,
    patient_id      uuid,                    -- NULL: all keys of the clinic
    started_at      timestamptz NOT NULL,
    finished_at     timestamptz,
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id)
);
CREATE INDEX key_rotation_clinic ON key_rotation (clinic_id, patient_id);
ALTER TABLE key_rotation ENABLE ROW LEVEL SECURITY;
ALTER TABLE key_rotation FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON key_rotation USING (clinic_id = current_clinic()) WITH CHECK (clinic_id = current_clinic());
GRANT SELECT, INSERT, UPDATE ON key_rotation TO bedside_app;
