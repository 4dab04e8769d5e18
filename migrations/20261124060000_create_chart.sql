-- The records of patients: demographics with every version kept, the lists of the chart, merges of duplicates.

-- Medical record numbers made here: the clinic's letters, a running number and a check digit.
ALTER TABLE clinic
    ADD COLUMN mrn_prefix text NOT NULL DEFAULT 'P' CHECK (mrn_prefix ~ '^[A-Z]{1,4}$'),
    ADD COLUMN mrn_next   bigint NOT NULL DEFAULT 10001 CHECK (mrn_next > 0);
GRANT UPDATE (mrn_prefix, mrn_next) ON clinic TO bedside_app;

-- name, date_of_birth, phone and email stand beside the document for lists and checks at the door; they are always
-- those of the revision. merged_into: this record is an alias, and the other one is meant. Nothing that is sealed
-- under the alias's key is touched by that.
ALTER TABLE patient
    ADD COLUMN version     integer NOT NULL DEFAULT 0 CHECK (version >= 0), -- 0: put on record before revisions were kept
    ADD COLUMN merged_into uuid CHECK (merged_into <> patient_id),
    ADD FOREIGN KEY (clinic_id, merged_into) REFERENCES patient (clinic_id, patient_id);
CREATE INDEX patient_merged_into ON patient (clinic_id, merged_into) WHERE merged_into IS NOT NULL;
GRANT UPDATE (name, date_of_birth, phone, email, version, merged_into) ON patient TO bedside_app;

-- The record that is meant by p: itself, or what it was merged into.
CREATE FUNCTION patient_root(p uuid) RETURNS uuid LANGUAGE sql STABLE AS $$
    WITH RECURSIVE up AS (
        SELECT patient_id, merged_into FROM patient WHERE patient_id = p
        UNION SELECT o.patient_id, o.merged_into FROM patient o JOIN up ON o.patient_id = up.merged_into
    )
    SELECT patient_id FROM up WHERE merged_into IS NULL
$$;

-- All records that are p's: the one that is meant and every alias of it.
CREATE FUNCTION patient_family(p uuid) RETURNS SETOF uuid LANGUAGE sql STABLE ROWS 1 AS $$
    WITH RECURSIVE down AS (
        SELECT patient_root(p) AS patient_id
        UNION SELECT o.patient_id FROM patient o JOIN down ON o.merged_into = down.patient_id AND o.clinic_id = current_clinic()
    )
    SELECT patient_id FROM down WHERE patient_id IS NOT NULL
$$;

-- How a member of staff and a guardian stand to a patient: to any of the patient's records is to all of them.
CREATE OR REPLACE FUNCTION stands_to(p_patient uuid, p_staff uuid, p_guardian uuid, p_at timestamptz)
RETURNS TABLE (cares boolean, emergency boolean, guards_record boolean, accompanies boolean) LANGUAGE sql STABLE AS $$
    WITH family AS MATERIALIZED (SELECT patient_family(p_patient) AS patient_id)
    SELECT EXISTS (SELECT FROM appointment c JOIN family USING (patient_id) WHERE c.provider_id = p_staff AND c.state <> 'cancelled')
           OR EXISTS (SELECT FROM care_assignment c JOIN family USING (patient_id) WHERE c.staff_id = p_staff
                      AND c.from_at <= p_at AND (c.until_at IS NULL OR c.until_at > p_at)),
           EXISTS (SELECT FROM emergency_access e JOIN family USING (patient_id) WHERE e.staff_id = p_staff
                   AND e.granted_at <= p_at AND e.expires_at > p_at),
           EXISTS (SELECT FROM guardianship g JOIN family USING (patient_id) WHERE g.guardian_id = p_guardian AND g.scope = 'record'
                   AND g.from_at <= p_at AND (g.until_at IS NULL OR g.until_at > p_at)),
           EXISTS (SELECT FROM guardianship g JOIN family USING (patient_id) WHERE g.guardian_id = p_guardian
                   AND g.from_at <= p_at AND (g.until_at IS NULL OR g.until_at > p_at))
$$;

-- Demographics after each change; what was before is the revision below it. by_ nobody: the server itself.
CREATE TABLE patient_revision (
    patient_id uuid NOT NULL,
    version    integer NOT NULL CHECK (version > 0),
    clinic_id  uuid NOT NULL,
    change     text NOT NULL CHECK (change IN ('created', 'changed', 'merged', 'unmerged')),
    body       bytea NOT NULL,               -- the whole document
    by_staff   uuid,
    by_patient uuid,
    by_guardian uuid,
    at         timestamptz NOT NULL,
    PRIMARY KEY (patient_id, version),
    CHECK (num_nonnulls(by_staff, by_patient, by_guardian) < 2),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id),
    FOREIGN KEY (clinic_id, by_staff) REFERENCES staff (clinic_id, staff_id),
    FOREIGN KEY (clinic_id, by_patient) REFERENCES patient (clinic_id, patient_id),
    FOREIGN KEY (clinic_id, by_guardian) REFERENCES guardian (clinic_id, guardian_id)
);
CREATE INDEX patient_revision_patient ON patient_revision (clinic_id, patient_id);
CREATE INDEX patient_revision_staff ON patient_revision (clinic_id, by_staff);
CREATE INDEX patient_revision_by_patient ON patient_revision (clinic_id, by_patient);
CREATE INDEX patient_revision_guardian ON patient_revision (clinic_id, by_guardian);
CREATE TRIGGER patient_revision_evidence BEFORE UPDATE OR DELETE ON patient_revision FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- One line of a chart's lists; what it says is that of chart_revision. patient_id is whose key seals it, also after
-- a merge. Never deleted: it may be marked as entered in error, and that may be taken back.
CREATE TABLE chart_entry (
    chart_entry_id   uuid PRIMARY KEY,
    clinic_id        uuid NOT NULL,
    patient_id       uuid NOT NULL,
    list             text NOT NULL CHECK (list IN
                     ('coverage', 'allergy', 'no_known_allergies', 'condition', 'medication', 'immunization', 'procedure')),
    version          integer NOT NULL CHECK (version > 0),
    entered_in_error boolean NOT NULL DEFAULT false,
    created_at       timestamptz NOT NULL,
    UNIQUE (clinic_id, chart_entry_id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id)
);
CREATE INDEX chart_entry_patient ON chart_entry (clinic_id, patient_id, list);
-- Whether somebody asked and there were none is one statement, however often it changes.
CREATE UNIQUE INDEX chart_entry_no_known_allergies ON chart_entry (patient_id) WHERE list = 'no_known_allergies';

CREATE TABLE chart_revision (
    chart_entry_id uuid NOT NULL,
    version        integer NOT NULL CHECK (version > 0),
    clinic_id      uuid NOT NULL,
    change         text NOT NULL CHECK (change IN ('created', 'changed', 'entered_in_error', 'restored')),
    body           bytea NOT NULL,           -- the whole document
    reason         bytea,                    -- why it was in error, or why it was not
    by_staff       uuid,
    by_patient     uuid,
    by_guardian    uuid,
    at             timestamptz NOT NULL,
    PRIMARY KEY (chart_entry_id, version),
    CHECK (num_nonnulls(by_staff, by_patient, by_guardian) < 2),
    CHECK (change <> 'entered_in_error' OR reason IS NOT NULL),
    FOREIGN KEY (clinic_id, chart_entry_id) REFERENCES chart_entry (clinic_id, chart_entry_id),
    FOREIGN KEY (clinic_id, by_staff) REFERENCES staff (clinic_id, staff_id),
    FOREIGN KEY (clinic_id, by_patient) REFERENCES patient (clinic_id, patient_id),
    FOREIGN KEY (clinic_id, by_guardian) REFERENCES guardian (clinic_id, guardian_id)
);
CREATE INDEX chart_revision_entry ON chart_revision (clinic_id, chart_entry_id);
CREATE INDEX chart_revision_staff ON chart_revision (clinic_id, by_staff);
CREATE INDEX chart_revision_patient ON chart_revision (clinic_id, by_patient);
CREATE INDEX chart_revision_guardian ON chart_revision (clinic_id, by_guardian);
CREATE TRIGGER chart_revision_evidence BEFORE UPDATE OR DELETE ON chart_revision FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Each merge that was ever made; an undone one stays here. version_before, version_after: the survivor's demographics
-- around it, so that undoing can tell whether they were changed since.
CREATE TABLE patient_merge (
    patient_merge_id uuid PRIMARY KEY,
    clinic_id        uuid NOT NULL,
    survivor_id      uuid NOT NULL,
    merged_id        uuid NOT NULL CHECK (merged_id <> survivor_id),
    version_before   integer NOT NULL,
    version_after    integer NOT NULL,
    merged_at        timestamptz NOT NULL,
    merged_by        uuid NOT NULL,
    undone_at        timestamptz,
    undone_by        uuid,
    CHECK ((undone_at IS NULL) = (undone_by IS NULL)),
    FOREIGN KEY (clinic_id, survivor_id) REFERENCES patient (clinic_id, patient_id),
    FOREIGN KEY (clinic_id, merged_id) REFERENCES patient (clinic_id, patient_id),
    FOREIGN KEY (clinic_id, merged_by) REFERENCES staff (clinic_id, staff_id),
    FOREIGN KEY (clinic_id, undone_by) REFERENCES staff (clinic_id, staff_id)
);
CREATE INDEX patient_merge_survivor ON patient_merge (clinic_id, survivor_id);
CREATE INDEX patient_merge_merged ON patient_merge (clinic_id, merged_id);
CREATE INDEX patient_merge_merged_by ON patient_merge (clinic_id, merged_by);
CREATE INDEX patient_merge_undone_by ON patient_merge (clinic_id, undone_by);
CREATE UNIQUE INDEX patient_merge_current ON patient_merge (merged_id) WHERE undone_at IS NULL;

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['patient_revision', 'chart_entry', 'chart_revision', 'patient_merge']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_clinic ON %I USING (clinic_id = current_clinic()) WITH CHECK (clinic_id = current_clinic())', t);
    END LOOP;
END $$;

GRANT SELECT, INSERT ON patient_revision, chart_entry, chart_revision, patient_merge TO bedside_app;
GRANT UPDATE (version, entered_in_error) ON chart_entry TO bedside_app;
GRANT UPDATE (undone_at, undone_by) ON patient_merge TO bedside_app;
