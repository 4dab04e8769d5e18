-- Who stands to a patient how: guardians and wards, guests of one visit, emergency access; and the one question that
-- every authorization asks.

-- Somebody who acts for patients: a parent, a legal guardian. Sealed under the clinic's data key, since one guardian
-- may have several wards.
CREATE TABLE guardian (
    guardian_id uuid PRIMARY KEY,
    clinic_id   uuid NOT NULL REFERENCES clinic,
    name        bytea NOT NULL,
    email       bytea,
    phone       bytea,
    created_at  timestamptz NOT NULL,
    UNIQUE (clinic_id, guardian_id)
);

-- Who acts for whom, and how far: 'record' for everything that the ward may, 'visits' for coming along to visits only.
CREATE TABLE guardianship (
    guardianship_id uuid PRIMARY KEY,
    clinic_id       uuid NOT NULL,
    guardian_id     uuid NOT NULL,
    patient_id      uuid NOT NULL,
    relationship    text NOT NULL CHECK (relationship IN ('parent', 'legal_guardian', 'health_care_proxy', 'other')),
    scope           text NOT NULL CHECK (scope IN ('record', 'visits')),
    from_at         timestamptz NOT NULL,
    until_at        timestamptz CHECK (until_at >= from_at),
    added_by        uuid NOT NULL,
    ended_by        uuid,
    UNIQUE (clinic_id, guardianship_id),
    FOREIGN KEY (clinic_id, guardian_id) REFERENCES guardian (clinic_id, guardian_id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id),
    FOREIGN KEY (clinic_id, added_by) REFERENCES staff (clinic_id, staff_id),
    FOREIGN KEY (clinic_id, ended_by) REFERENCES staff (clinic_id, staff_id)
);
CREATE INDEX guardianship_guardian ON guardianship (clinic_id, guardian_id, patient_id);
CREATE INDEX guardianship_patient ON guardianship (clinic_id, patient_id);
CREATE INDEX guardianship_added_by ON guardianship (clinic_id, added_by);
CREATE INDEX guardianship_ended_by ON guardianship (clinic_id, ended_by) WHERE ended_by IS NOT NULL;

-- Somebody who was invited into one visit and sees nothing else. The name is sealed under the patient's data key.
CREATE TABLE visit_guest (
    visit_guest_id uuid PRIMARY KEY,
    clinic_id      uuid NOT NULL,
    visit_id       uuid NOT NULL,
    patient_id     uuid NOT NULL,
    role           text NOT NULL CHECK (role IN ('interpreter', 'guardian', 'specialist')),
    guardian_id    uuid,
    name           bytea NOT NULL,
    token_hash     bytea UNIQUE CHECK (octet_length(token_hash) = 32),
    invited_by     uuid NOT NULL,
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL CHECK (expires_at > created_at),
    ended_at       timestamptz,
    ended_by       uuid,
    UNIQUE (clinic_id, visit_guest_id),
    CHECK (guardian_id IS NULL OR role = 'guardian'),
    FOREIGN KEY (clinic_id, visit_id) REFERENCES visit (clinic_id, visit_id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id),
    FOREIGN KEY (clinic_id, guardian_id) REFERENCES guardian (clinic_id, guardian_id),
    FOREIGN KEY (clinic_id, invited_by) REFERENCES staff (clinic_id, staff_id),
    FOREIGN KEY (clinic_id, ended_by) REFERENCES staff (clinic_id, staff_id)
);
CREATE INDEX visit_guest_visit ON visit_guest (clinic_id, visit_id);
CREATE INDEX visit_guest_patient ON visit_guest (clinic_id, patient_id);
CREATE INDEX visit_guest_guardian ON visit_guest (clinic_id, guardian_id) WHERE guardian_id IS NOT NULL;
CREATE INDEX visit_guest_invited_by ON visit_guest (clinic_id, invited_by);
CREATE INDEX visit_guest_ended_by ON visit_guest (clinic_id, ended_by) WHERE ended_by IS NOT NULL;

-- Break-glass: one member of staff may see one patient for one hour, and said why. Evidence.
CREATE TABLE emergency_access (
    emergency_access_id uuid PRIMARY KEY,
    clinic_id           uuid NOT NULL,
    staff_id            uuid NOT NULL,
    patient_id          uuid NOT NULL,
    reason              bytea NOT NULL,           -- sealed under the patient's data key
    granted_at          timestamptz NOT NULL,
    expires_at          timestamptz NOT NULL CHECK (expires_at > granted_at),
    UNIQUE (clinic_id, emergency_access_id),
    FOREIGN KEY (clinic_id, staff_id) REFERENCES staff (clinic_id, staff_id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id)
);
CREATE INDEX emergency_access_staff ON emergency_access (clinic_id, staff_id, patient_id, expires_at);
CREATE INDEX emergency_access_patient ON emergency_access (clinic_id, patient_id);
CREATE TRIGGER emergency_access_evidence BEFORE UPDATE OR DELETE ON emergency_access FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What compliance has to look at: made with the access itself, closed once with a finding.
CREATE TABLE emergency_access_review (
    emergency_access_id uuid PRIMARY KEY,
    clinic_id           uuid NOT NULL,
    state               text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'reviewed')),
    finding             text CHECK (finding IN ('justified', 'not_justified')),
    remarks             bytea,                    -- sealed under the patient's data key
    reviewed_by         uuid,
    reviewed_at         timestamptz,
    CHECK ((state = 'reviewed') = (num_nulls(finding, remarks, reviewed_by, reviewed_at) = 0)),
    CHECK (state = 'reviewed' OR num_nonnulls(finding, remarks, reviewed_by, reviewed_at) = 0),
    FOREIGN KEY (clinic_id, emergency_access_id) REFERENCES emergency_access (clinic_id, emergency_access_id),
    FOREIGN KEY (clinic_id, reviewed_by) REFERENCES staff (clinic_id, staff_id)
);
CREATE INDEX emergency_access_review_access ON emergency_access_review (clinic_id, emergency_access_id);
CREATE INDEX emergency_access_review_by ON emergency_access_review (clinic_id, reviewed_by) WHERE reviewed_by IS NOT NULL;
CREATE INDEX emergency_access_review_open ON emergency_access_review (clinic_id) WHERE state = 'open';

-- A finding is given once, and never by the one who asked for the access.
CREATE FUNCTION keep_finding() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'reviewed' THEN
        RAISE EXCEPTION 'a finding on emergency access never changes';
    END IF;
    IF EXISTS (SELECT FROM emergency_access e WHERE e.emergency_access_id = NEW.emergency_access_id AND e.staff_id = NEW.reviewed_by) THEN
        RAISE EXCEPTION 'nobody reviews their own emergency access';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER emergency_access_review_once BEFORE UPDATE ON emergency_access_review FOR EACH ROW EXECUTE FUNCTION keep_finding();

-- Assignments say who made and who ended them; NULL for the server itself.
ALTER TABLE care_assignment ADD COLUMN assigned_by uuid, ADD COLUMN ended_by uuid;
ALTER TABLE care_assignment
    ADD FOREIGN KEY (clinic_id, assigned_by) REFERENCES staff (clinic_id, staff_id),
    ADD FOREIGN KEY (clinic_id, ended_by) REFERENCES staff (clinic_id, staff_id);
-- Nobody is assigned twice, so that ending an assignment ends it.
CREATE UNIQUE INDEX care_assignment_current ON care_assignment (staff_id, patient_id) WHERE until_at IS NULL;
CREATE INDEX care_assignment_assigned_by ON care_assignment (clinic_id, assigned_by) WHERE assigned_by IS NOT NULL;
CREATE INDEX care_assignment_ended_by ON care_assignment (clinic_id, ended_by) WHERE ended_by IS NOT NULL;

-- Whether patients may play recordings of their own visits.
ALTER TABLE clinic ADD COLUMN shares_recordings boolean NOT NULL DEFAULT false;

-- Guardians and guests act, and so stand in the audit log.
ALTER TABLE audit_event DROP CONSTRAINT audit_event_actor_kind_check;
ALTER TABLE audit_event ADD CONSTRAINT audit_event_actor_kind_check
    CHECK (actor_kind IN ('staff', 'patient', 'guardian', 'guest', 'system', 'unknown'));

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['guardian', 'guardianship', 'visit_guest', 'emergency_access', 'emergency_access_review']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_clinic ON %I USING (clinic_id = current_clinic()) WITH CHECK (clinic_id = current_clinic())', t);
    END LOOP;
END $$;
-- Before the clinic is known, a guest is found by the token that was presented.
CREATE POLICY presented ON visit_guest FOR SELECT USING (token_hash = presented_token());

GRANT SELECT, INSERT ON emergency_access TO bedside_app;
GRANT SELECT, INSERT ON guardian, guardianship, visit_guest, emergency_access_review TO bedside_app;
GRANT UPDATE (name, email, phone) ON guardian TO bedside_app;
GRANT UPDATE (until_at, ended_by) ON guardianship TO bedside_app;
GRANT UPDATE (ended_at, ended_by) ON visit_guest TO bedside_app;
GRANT UPDATE (state, finding, remarks, reviewed_by, reviewed_at) ON emergency_access_review TO bedside_app;
GRANT UPDATE (until_at, ended_by) ON care_assignment TO bedside_app;

-- How a member of staff and a guardian (either may be NULL) stand to a patient at one moment.
CREATE FUNCTION stands_to(p_patient uuid, p_staff uuid, p_guardian uuid, p_at timestamptz)
RETURNS TABLE (cares boolean, emergency boolean, guards_record boolean, accompanies boolean) LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM appointment c WHERE c.provider_id = p_staff AND c.patient_id = p_patient AND c.state <> 'cancelled')
           OR EXISTS (SELECT FROM care_assignment c WHERE c.staff_id = p_staff AND c.patient_id = p_patient
                      AND c.from_at <= p_at AND (c.until_at IS NULL OR c.until_at > p_at)),
           EXISTS (SELECT FROM emergency_access e WHERE e.staff_id = p_staff AND e.patient_id = p_patient
                   AND e.granted_at <= p_at AND e.expires_at > p_at),
           EXISTS (SELECT FROM guardianship g WHERE g.guardian_id = p_guardian AND g.patient_id = p_patient AND g.scope = 'record'
                   AND g.from_at <= p_at AND (g.until_at IS NULL OR g.until_at > p_at)),
           EXISTS (SELECT FROM guardianship g WHERE g.guardian_id = p_guardian AND g.patient_id = p_patient
                   AND g.from_at <= p_at AND (g.until_at IS NULL OR g.until_at > p_at))
$$;
