-- The audit log by month, with what is needed to seal it (docs/audit.md): each row says which transaction wrote it, since
-- sequence numbers are given out in another order than transactions commit.

ALTER TABLE audit_event RENAME TO audit_event_before;
-- The owner, too, is held back by FORCE: it must see all rows to move them.
ALTER TABLE audit_event_before NO FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_event_before DISABLE ROW LEVEL SECURITY;
DROP INDEX audit_event_clinic;
DROP INDEX audit_event_patient;
DROP INDEX audit_event_patients;
DROP INDEX IF EXISTS audit_event_staff;

CREATE SEQUENCE audit_event_number AS bigint;
SELECT setval('audit_event_number', coalesce((SELECT max(seq) FROM audit_event_before), 0) + 1, false);

-- Who did or saw what. seq is the order of insertion, not of commit; (xid, seq) is the order of sealing. clinic_id is NULL
-- for sign-ins to accounts that do not exist and for what concerns the whole installation. Patients are named by id alone.
CREATE TABLE audit_event (
    seq           bigint NOT NULL DEFAULT nextval('audit_event_number'),
    xid           xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at            timestamptz NOT NULL,
    clinic_id     uuid,
    actor_kind    text NOT NULL CHECK (length(actor_kind) BETWEEN 1 AND 20),
    actor_id      uuid,
    actor_role    text NOT NULL,
    action        text NOT NULL,
    resource_type text NOT NULL,
    resource_id   uuid,
    patient_id    uuid,
    patient_ids   uuid[],                    -- of a list
    outcome       text NOT NULL CHECK (outcome IN ('allowed', 'denied', 'failed')),
    reason        text,
    address       text,
    user_agent    text,
    request_id    text,
    detail        jsonb,                     -- no patients' data
    detail_sealed bytea,                     -- free text and all that may be patients' data
    PRIMARY KEY (xid, seq, at)
) PARTITION BY RANGE (at);
ALTER SEQUENCE audit_event_number OWNED BY audit_event.seq;

CREATE INDEX audit_event_clinic ON audit_event (clinic_id, seq);
CREATE INDEX audit_event_actor ON audit_event (actor_id, seq) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_event_patient ON audit_event (patient_id, seq) WHERE patient_id IS NOT NULL;
CREATE INDEX audit_event_patients ON audit_event USING gin (patient_ids) WHERE patient_ids IS NOT NULL;
CREATE INDEX audit_event_staff ON audit_event (clinic_id, resource_id, seq) WHERE resource_type = 'staff';
CREATE TRIGGER audit_event_evidence BEFORE UPDATE OR DELETE ON audit_event FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_event_kept BEFORE TRUNCATE ON audit_event FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- ---------------------------------------------------------------- months

-- The table of one month. Attached rather than made as a partition, so that writers do not wait.
CREATE FUNCTION make_audit_month(p_month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    first date := date_trunc('month', p_month);
    name text := 'audit_event_' || to_char(first, 'YYYY_MM');
BEGIN
    IF to_regclass(name) IS NOT NULL THEN RETURN; END IF;
    PERFORM pg_advisory_xact_lock(7015);
    IF to_regclass(name) IS NOT NULL THEN RETURN; END IF;
    EXECUTE format('CREATE TABLE %I (LIKE audit_event INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY own_clinic ON %I USING (clinic_id = current_clinic()) WITH CHECK (clinic_id = current_clinic())', name);
    EXECUTE format('CREATE TRIGGER audit_event_kept BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
    EXECUTE format('ALTER TABLE audit_event ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name,
                   first::timestamp AT TIME ZONE 'UTC', (first + interval '1 month') AT TIME ZONE 'UTC');
END $$;

-- Every month from the last one there is to the third from now: those that are missing after a long pause, too.
CREATE FUNCTION make_audit_months_ahead() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    last date := (SELECT max(to_date(right(c.relname, 7), 'YYYY_MM')) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                  WHERE i.inhparent = 'audit_event'::regclass);
    month date;
BEGIN
    FOR month IN SELECT generate_series(last + interval '1 month', date_trunc('month', now() AT TIME ZONE 'UTC') + interval '3 months', '1 month')::date LOOP
        PERFORM make_audit_month(month);
    END LOOP;
END $$;

DO $$
DECLARE month date;
BEGIN
    FOR month IN
        SELECT generate_series(least(date '2026-10-01', min(date_trunc('month', at AT TIME ZONE 'UTC'))),
                               greatest(date '2026-12-01', max(date_trunc('month', at AT TIME ZONE 'UTC'))), '1 month')::date
        FROM audit_event_before
    LOOP
        PERFORM make_audit_month(month);
    END LOOP;
    PERFORM make_audit_months_ahead();
END $$;

-- What was written before this migration stands in one transaction, in the order of its numbers.
INSERT INTO audit_event (seq, at, clinic_id, actor_kind, actor_id, actor_role, action, resource_type, resource_id, patient_id, patient_ids,
                         outcome, reason, address, user_agent, request_id, detail)
SELECT seq, at, clinic_id, actor_kind, actor_id, actor_role, action, resource_type, resource_id, patient_id, patient_ids,
       outcome, reason, address, user_agent, request_id, detail
FROM audit_event_before ORDER BY seq;
DO $$
BEGIN
    IF (SELECT count(*) FROM audit_event) <> (SELECT count(*) FROM audit_event_before) THEN
        RAISE EXCEPTION 'not every row of the audit log was moved; nothing was changed';
    END IF;
END $$;
DROP TABLE audit_event_before;

ALTER TABLE audit_event ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_event FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON audit_event USING (clinic_id = current_clinic()) WITH CHECK (clinic_id = current_clinic());
-- What belongs to no clinic; nobody reads it through the app but the sealer.
CREATE POLICY no_clinic ON audit_event FOR INSERT WITH CHECK (clinic_id IS NULL AND actor_kind IN ('unknown', 'system'));
-- The sealer and the verifier read all.
CREATE POLICY sealing ON audit_event FOR SELECT USING ((SELECT current_setting('bedside.audit_sealer', true)) = 'on');

-- Numbers and transactions are the database's to give, so the app can't choose them.
GRANT SELECT ON audit_event TO bedside_app;
GRANT INSERT (at, clinic_id, actor_kind, actor_id, actor_role, action, resource_type, resource_id, patient_id, patient_ids,
              outcome, reason, address, user_agent, request_id, detail, detail_sealed) ON audit_event TO bedside_app;
GRANT USAGE ON SEQUENCE audit_event_number TO bedside_app;

-- ---------------------------------------------------------------- seals

-- The Merkle tree over the log, a batch of leaves a row. Of the installation, not of a clinic: hashes, numbers and times only.
CREATE TABLE audit_seal (
    first_leaf bigint PRIMARY KEY CHECK (first_leaf >= 0),
    tree_size  bigint NOT NULL UNIQUE CHECK (tree_size > first_leaf),
    last_xid   xid8 NOT NULL,                -- where sealing goes on
    last_seq   bigint NOT NULL,
    leaves     bytea NOT NULL CHECK (octet_length(leaves) = 56 * (tree_size - first_leaf)),
    frontier   bytea NOT NULL CHECK (octet_length(frontier) % 32 = 0),
    checkpoint text NOT NULL,                -- a signed note
    sealed_at  timestamptz NOT NULL
);
ALTER TABLE audit_seal ALTER COLUMN leaves SET STORAGE EXTERNAL;
CREATE TRIGGER audit_seal_evidence BEFORE UPDATE OR DELETE ON audit_seal FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_seal_kept BEFORE TRUNCATE ON audit_seal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON audit_seal TO bedside_app;

-- Each time everything was verified, and what came out. Of the installation.
CREATE TABLE audit_verification (
    audit_verification_id uuid PRIMARY KEY,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    tree_size   bigint NOT NULL,
    row_count   bigint NOT NULL,
    unsealed    bigint NOT NULL,
    dropped     bigint NOT NULL,
    fault_count bigint NOT NULL,
    faults      jsonb NOT NULL               -- sentences that name rows by number and time
);
CREATE INDEX audit_verification_time ON audit_verification (finished_at);
CREATE TRIGGER audit_verification_evidence BEFORE UPDATE OR DELETE ON audit_verification FOR EACH ROW EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON audit_verification TO bedside_app;

-- ---------------------------------------------------------------- retention

-- Months whose rows are gone. Their leaf hashes stay in audit_seal.
CREATE TABLE audit_month_dropped (
    month      date PRIMARY KEY,
    from_at    timestamptz NOT NULL,
    to_at      timestamptz NOT NULL,
    row_count  bigint NOT NULL,
    dropped_at timestamptz NOT NULL
);
CREATE TRIGGER audit_month_dropped_evidence BEFORE UPDATE OR DELETE ON audit_month_dropped FOR EACH ROW EXECUTE FUNCTION refuse_change();
GRANT SELECT ON audit_month_dropped TO bedside_app;

-- Drops a month's rows seven years after its end, by the database's own clock, once all of them are sealed; and logs it.
CREATE FUNCTION drop_audit_month(p_month date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET bedside.audit_sealer = 'on' AS $$
DECLARE
    first date := date_trunc('month', p_month);
    name text := 'audit_event_' || to_char(first, 'YYYY_MM');
    from_at timestamptz := first::timestamp AT TIME ZONE 'UTC';
    to_at timestamptz := (first + interval '1 month') AT TIME ZONE 'UTC';
    rows bigint;
    unsealed bigint;
BEGIN
    IF to_at + interval '7 years' > now() THEN
        RAISE EXCEPTION 'audit log of %: kept until %', to_char(first, 'YYYY-MM'), to_char(to_at + interval '7 years', 'YYYY-MM-DD')
            USING ERRCODE = 'BA001';
    END IF;
    IF to_regclass(name) IS NULL THEN
        RAISE EXCEPTION 'audit log of %: there is none', to_char(first, 'YYYY-MM') USING ERRCODE = 'BA002';
    END IF;
    SELECT count(*), count(*) FILTER (WHERE (e.xid, e.seq) > (coalesce(s.last_xid, '0'::xid8), coalesce(s.last_seq, 0)))
    INTO rows, unsealed
    FROM audit_event e LEFT JOIN (SELECT last_xid, last_seq FROM audit_seal ORDER BY first_leaf DESC LIMIT 1) s ON true
    WHERE e.at >= from_at AND e.at < to_at;
    IF unsealed > 0 THEN
        RAISE EXCEPTION 'audit log of %: % rows are not sealed yet', to_char(first, 'YYYY-MM'), unsealed USING ERRCODE = 'BA003';
    END IF;
    INSERT INTO audit_month_dropped VALUES (first, from_at, to_at, rows, now());
    INSERT INTO audit_event (at, actor_kind, actor_role, action, resource_type, outcome, detail)
    VALUES (now(), 'system', 'retention', 'audit.month_dropped', 'audit', 'allowed',
            jsonb_build_object('month', to_char(first, 'YYYY-MM'), 'rows', rows));
    EXECUTE format('DROP TABLE %I', name);
    RETURN rows;
END $$;

REVOKE ALL ON FUNCTION make_audit_month(date), make_audit_months_ahead(), drop_audit_month(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_audit_months_ahead(), drop_audit_month(date) TO bedside_app;

-- ---------------------------------------------------------------- unusual access

-- From when on access counts as unusual. A clinic without a row has the defaults.
CREATE TABLE access_rule (
    clinic_id             uuid PRIMARY KEY REFERENCES clinic,
    many_patients         integer NOT NULL CHECK (many_patients BETWEEN 2 AND 10000),
    many_patients_minutes integer NOT NULL CHECK (many_patients_minutes BETWEEN 1 AND 1440),
    opens_at_minute       integer NOT NULL CHECK (opens_at_minute BETWEEN 0 AND 1440),   -- minutes after midnight, clinic's time
    closes_at_minute      integer NOT NULL CHECK (closes_at_minute BETWEEN 0 AND 1440),
    open_weekends         boolean NOT NULL,
    after_hours_patients  integer NOT NULL CHECK (after_hours_patients BETWEEN 1 AND 10000),
    refusals              integer NOT NULL CHECK (refusals BETWEEN 2 AND 10000),
    refusals_minutes      integer NOT NULL CHECK (refusals_minutes BETWEEN 1 AND 1440),
    same_name             boolean NOT NULL,
    changed_at            timestamptz NOT NULL,
    changed_by            uuid NOT NULL,
    FOREIGN KEY (clinic_id, changed_by) REFERENCES staff (clinic_id, staff_id)
);
CREATE INDEX access_rule_changed_by ON access_rule (clinic_id, changed_by);

-- Access that a rule found unusual. Says that names are alike, never which; the same day, person and patient are found once.
CREATE TABLE access_finding (
    access_finding_id uuid PRIMARY KEY,
    clinic_id   uuid NOT NULL,
    rule        text NOT NULL CHECK (rule IN ('many_patients', 'same_name', 'after_hours', 'refusals', 'break_glass')),
    staff_id    uuid NOT NULL,
    patient_id  uuid,
    day         date NOT NULL,               -- in the clinic's time
    first_at    timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,
    count       integer NOT NULL CHECK (count > 0), -- patients, refusals or accesses, by the rule
    found_at    timestamptz NOT NULL,
    state       text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'reviewed')),
    reviewed_at timestamptz,
    reviewed_by uuid,
    note        bytea,                       -- sealed under the clinic's data key
    CHECK ((state = 'reviewed') = (num_nulls(reviewed_at, reviewed_by, note) = 0)),
    FOREIGN KEY (clinic_id, staff_id) REFERENCES staff (clinic_id, staff_id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id),
    FOREIGN KEY (clinic_id, reviewed_by) REFERENCES staff (clinic_id, staff_id)
);
CREATE UNIQUE INDEX access_finding_once ON access_finding
    (clinic_id, rule, staff_id, coalesce(patient_id, '00000000-0000-0000-0000-000000000000'), day);
CREATE INDEX access_finding_staff ON access_finding (clinic_id, staff_id);
CREATE INDEX access_finding_patient ON access_finding (clinic_id, patient_id);
CREATE INDEX access_finding_reviewed_by ON access_finding (clinic_id, reviewed_by);
CREATE INDEX access_finding_open ON access_finding (clinic_id, state, found_at);

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['access_rule', 'access_finding'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_clinic ON %I USING (clinic_id = current_clinic()) WITH CHECK (clinic_id = current_clinic())', t);
    END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE ON access_rule TO bedside_app;
GRANT SELECT, INSERT ON access_finding TO bedside_app;
GRANT UPDATE (last_at, count, state, reviewed_at, reviewed_by, note) ON access_finding TO bedside_app;
