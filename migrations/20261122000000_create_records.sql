-- The system of record. Columns that hold patients' data are bytea: sealed by the server (AES-256-GCM under the
-- patient's data key), so that neither this database nor its backups, logs and write-ahead log ever have them in clear.

-- Equality of uuids inside the exclusion constraint on appointments.
CREATE EXTENSION IF NOT EXISTS btree_gist;

-- Roles belong to the whole server, so another database may have made it, even at this moment.
DO $$
BEGIN
    CREATE ROLE bedside_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
GRANT USAGE ON SCHEMA public TO bedside_app;

-- The clinic of the running transaction; NULL, and so no row at all, if it was not said.
CREATE FUNCTION current_clinic() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT nullif(current_setting('bedside.clinic_id', true), '')::uuid $$;

-- Before the clinic is known, a row is found by what only its holder knows: the hash of the token that was presented.
CREATE FUNCTION presented_token() RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT decode(nullif(current_setting('bedside.token_hash', true), ''), 'hex') $$;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION 'rows of % are evidence: they are never changed or deleted', TG_TABLE_NAME; END $$;

-- ---------------------------------------------------------------- clinics and people

CREATE TABLE clinic (
    clinic_id  uuid PRIMARY KEY,
    name       text NOT NULL,
    phone      text NOT NULL,
    time_zone  text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE staff (
    staff_id       uuid PRIMARY KEY,
    clinic_id      uuid NOT NULL REFERENCES clinic,
    email          text NOT NULL,
    name           text NOT NULL,
    role           text NOT NULL CHECK (role IN ('provider', 'nurse', 'front_desk', 'clinic_admin', 'compliance', 'super_admin')),
    password_hash  text NOT NULL,            -- argon2id, PHC string
    totp_secret    bytea NOT NULL,           -- sealed under the clinic's data key
    totp_last_step bigint,                   -- a code counts once: later steps only
    active         boolean NOT NULL DEFAULT true,
    created_at     timestamptz NOT NULL,
    UNIQUE (clinic_id, staff_id)
);
CREATE UNIQUE INDEX staff_email ON staff (lower(email));

CREATE TABLE patient (
    patient_id    uuid PRIMARY KEY,
    clinic_id     uuid NOT NULL REFERENCES clinic,
    name          bytea NOT NULL,
    date_of_birth bytea NOT NULL,
    mrn           bytea NOT NULL,
    phone         bytea,
    email         bytea,
    created_at    timestamptz NOT NULL,
    UNIQUE (clinic_id, patient_id)
);

-- A care relationship beside that of an appointment, e.g. a nurse's.
CREATE TABLE care_assignment (
    care_assignment_id uuid PRIMARY KEY,
    clinic_id          uuid NOT NULL,
    staff_id           uuid NOT NULL,
    patient_id         uuid NOT NULL,
    from_at            timestamptz NOT NULL,
    until_at           timestamptz,
    FOREIGN KEY (clinic_id, staff_id) REFERENCES staff (clinic_id, staff_id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id)
);
CREATE INDEX care_assignment_staff ON care_assignment (clinic_id, staff_id, patient_id);
CREATE INDEX care_assignment_patient ON care_assignment (clinic_id, patient_id);

-- ---------------------------------------------------------------- keys

-- Data keys, wrapped by a key-encryption key that is not in this database. Destroying one (wrapped = NULL) makes
-- everything sealed under it unreadable for good, in backups too.
CREATE TABLE data_key (
    data_key_id  uuid PRIMARY KEY,
    clinic_id    uuid NOT NULL REFERENCES clinic,
    purpose      text NOT NULL CHECK (purpose IN ('clinic', 'patient', 'recording')),
    owner_id     uuid NOT NULL,              -- the clinic, patient or recording
    version      integer NOT NULL CHECK (version > 0),
    wrapping_key text NOT NULL,              -- id of the key-encryption key
    wrapped      bytea,
    created_at   timestamptz NOT NULL,
    retired_at   timestamptz,
    destroyed_at timestamptz,
    UNIQUE (purpose, owner_id, version),
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);
CREATE UNIQUE INDEX data_key_current ON data_key (purpose, owner_id) WHERE retired_at IS NULL;
CREATE INDEX data_key_clinic ON data_key (clinic_id);

-- ---------------------------------------------------------------- appointments and visits

CREATE TABLE appointment (
    appointment_id uuid PRIMARY KEY,
    clinic_id      uuid NOT NULL,
    patient_id     uuid NOT NULL,
    provider_id    uuid NOT NULL,
    starts_at      timestamptz NOT NULL,
    ends_at        timestamptz NOT NULL CHECK (ends_at > starts_at),
    visit_type     text NOT NULL CHECK (visit_type IN ('video', 'phone', 'in_person')),
    reason         bytea NOT NULL,
    state          text NOT NULL DEFAULT 'booked' CHECK (state IN ('booked', 'cancelled')),
    created_at     timestamptz NOT NULL,
    UNIQUE (clinic_id, appointment_id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id),
    FOREIGN KEY (clinic_id, provider_id) REFERENCES staff (clinic_id, staff_id),
    CONSTRAINT appointment_no_overlap EXCLUDE USING gist
        (provider_id WITH =, tstzrange(starts_at, ends_at) WITH &&) WHERE (state <> 'cancelled')
);
CREATE INDEX appointment_day ON appointment (clinic_id, starts_at);
CREATE INDEX appointment_patient ON appointment (clinic_id, patient_id);
CREATE INDEX appointment_provider ON appointment (clinic_id, provider_id, patient_id);

CREATE TABLE visit (
    visit_id       uuid PRIMARY KEY,
    clinic_id      uuid NOT NULL,
    appointment_id uuid NOT NULL UNIQUE,
    patient_id     uuid NOT NULL,
    state          text NOT NULL DEFAULT 'booked'
                   CHECK (state IN ('booked', 'checking_in', 'waiting', 'in_visit', 'ended', 'cancelled')),
    waiting_since  timestamptz,
    started_at     timestamptz,
    ended_at       timestamptz,
    last_seq       bigint NOT NULL DEFAULT 0, -- of visit_event; only its successor is accepted
    UNIQUE (clinic_id, visit_id),
    FOREIGN KEY (clinic_id, appointment_id) REFERENCES appointment (clinic_id, appointment_id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id)
);
CREATE INDEX visit_appointment ON visit (clinic_id, appointment_id);
CREATE INDEX visit_patient ON visit (clinic_id, patient_id);

-- Who has, or had, which seat. The seat's id is derived from visit and person.
CREATE TABLE visit_participant (
    visit_id       uuid NOT NULL,
    participant_id uuid NOT NULL,
    clinic_id      uuid NOT NULL,
    role           text NOT NULL,
    staff_id       uuid,
    patient_id     uuid,
    joined_at      timestamptz NOT NULL,
    PRIMARY KEY (visit_id, participant_id),
    CHECK (num_nonnulls(staff_id, patient_id) = 1),
    FOREIGN KEY (clinic_id, visit_id) REFERENCES visit (clinic_id, visit_id),
    FOREIGN KEY (clinic_id, staff_id) REFERENCES staff (clinic_id, staff_id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id)
);
CREATE INDEX visit_participant_visit ON visit_participant (clinic_id, visit_id);
CREATE INDEX visit_participant_staff ON visit_participant (clinic_id, staff_id);
CREATE INDEX visit_participant_patient ON visit_participant (clinic_id, patient_id);

-- The facts of a room, from which it is rebuilt.
CREATE TABLE visit_event (
    visit_id   uuid NOT NULL,
    seq        bigint NOT NULL CHECK (seq > 0),
    clinic_id  uuid NOT NULL,
    at         timestamptz NOT NULL,
    fact       jsonb NOT NULL,               -- without chat text
    chat_text  bytea,
    by_staff   uuid,
    by_patient uuid,
    PRIMARY KEY (visit_id, seq),
    CHECK (num_nonnulls(by_staff, by_patient) < 2),
    FOREIGN KEY (clinic_id, visit_id) REFERENCES visit (clinic_id, visit_id),
    FOREIGN KEY (clinic_id, by_staff) REFERENCES staff (clinic_id, staff_id),
    FOREIGN KEY (clinic_id, by_patient) REFERENCES patient (clinic_id, patient_id)
);
CREATE INDEX visit_event_visit ON visit_event (clinic_id, visit_id);
CREATE INDEX visit_event_staff ON visit_event (clinic_id, by_staff) WHERE by_staff IS NOT NULL;
CREATE INDEX visit_event_patient ON visit_event (clinic_id, by_patient) WHERE by_patient IS NOT NULL;

-- Where the patient is during one visit.
CREATE TABLE visit_location (
    visit_id          uuid PRIMARY KEY,
    clinic_id         uuid NOT NULL,
    patient_id        uuid NOT NULL,
    region            bytea NOT NULL,
    callback_phone    bytea NOT NULL,
    emergency_address bytea NOT NULL,
    stated_at         timestamptz NOT NULL,
    FOREIGN KEY (clinic_id, visit_id) REFERENCES visit (clinic_id, visit_id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id)
);
CREATE INDEX visit_location_visit ON visit_location (clinic_id, visit_id);
CREATE INDEX visit_location_patient ON visit_location (clinic_id, patient_id);

-- ---------------------------------------------------------------- notes

CREATE TABLE note (
    note_id    uuid PRIMARY KEY,
    clinic_id  uuid NOT NULL,
    visit_id   uuid NOT NULL UNIQUE,
    patient_id uuid NOT NULL,
    state      text NOT NULL CHECK (state IN ('draft', 'signed')),
    version    integer NOT NULL CHECK (version > 0),  -- the text is that of note_revision
    created_at timestamptz NOT NULL,
    signed_at  timestamptz,
    signed_by  uuid,
    UNIQUE (clinic_id, note_id),
    CHECK ((state = 'signed') = (signed_at IS NOT NULL) AND (signed_at IS NULL) = (signed_by IS NULL)),
    FOREIGN KEY (clinic_id, visit_id) REFERENCES visit (clinic_id, visit_id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id),
    FOREIGN KEY (clinic_id, signed_by) REFERENCES staff (clinic_id, staff_id)
);
CREATE INDEX note_visit ON note (clinic_id, visit_id);
CREATE INDEX note_patient ON note (clinic_id, patient_id);
CREATE INDEX note_signed_by ON note (clinic_id, signed_by);

CREATE TABLE note_revision (
    note_id    uuid NOT NULL,
    version    integer NOT NULL CHECK (version > 0),
    clinic_id  uuid NOT NULL,
    body       bytea NOT NULL,
    written_by uuid NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (note_id, version),
    FOREIGN KEY (clinic_id, note_id) REFERENCES note (clinic_id, note_id),
    FOREIGN KEY (clinic_id, written_by) REFERENCES staff (clinic_id, staff_id)
);
CREATE INDEX note_revision_note ON note_revision (clinic_id, note_id);
CREATE INDEX note_revision_author ON note_revision (clinic_id, written_by);

CREATE TABLE note_addendum (
    note_addendum_id uuid PRIMARY KEY,
    note_id          uuid NOT NULL,
    clinic_id        uuid NOT NULL,
    body             bytea NOT NULL,
    written_by       uuid NOT NULL,
    at               timestamptz NOT NULL,
    FOREIGN KEY (clinic_id, note_id) REFERENCES note (clinic_id, note_id),
    FOREIGN KEY (clinic_id, written_by) REFERENCES staff (clinic_id, staff_id)
);
CREATE INDEX note_addendum_note ON note_addendum (clinic_id, note_id);
CREATE INDEX note_addendum_author ON note_addendum (clinic_id, written_by);

-- A signed note never changes, whoever asks.
CREATE FUNCTION keep_signed_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.state = 'signed' THEN
        RAISE EXCEPTION 'a signed note never changes, and no note is deleted';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER note_signed BEFORE UPDATE OR DELETE ON note FOR EACH ROW EXECUTE FUNCTION keep_signed_note();

CREATE FUNCTION keep_signed_text() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM note WHERE note_id = NEW.note_id AND state = 'signed') THEN
        RAISE EXCEPTION 'a signed note has no further revisions';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER note_revision_signed BEFORE INSERT ON note_revision FOR EACH ROW EXECUTE FUNCTION keep_signed_text();
CREATE TRIGGER note_revision_evidence BEFORE UPDATE OR DELETE ON note_revision FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER note_addendum_evidence BEFORE UPDATE OR DELETE ON note_addendum FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER visit_event_evidence BEFORE UPDATE OR DELETE ON visit_event FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- ---------------------------------------------------------------- recordings, consents

CREATE TABLE recording (
    recording_id uuid PRIMARY KEY,
    clinic_id    uuid NOT NULL,
    visit_id     uuid NOT NULL,
    patient_id   uuid NOT NULL,
    state        text NOT NULL CHECK (state IN ('capturing', 'captured', 'composing', 'ready', 'failed', 'interrupted')),
    started_at   timestamptz NOT NULL,
    stopped_at   timestamptz,
    stop_reason  text,
    duration_ms  bigint,
    bytes        bigint,
    sha256       bytea CHECK (octet_length(sha256) = 32),
    gaps         integer,
    manifest     jsonb,
    failure      text,
    UNIQUE (clinic_id, recording_id),
    CHECK (state <> 'ready' OR num_nulls(duration_ms, bytes, sha256, gaps, manifest) = 0),
    FOREIGN KEY (clinic_id, visit_id) REFERENCES visit (clinic_id, visit_id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id)
);
CREATE INDEX recording_visit ON recording (clinic_id, visit_id);
CREATE INDEX recording_patient ON recording (clinic_id, patient_id);
CREATE INDEX recording_unfinished ON recording (clinic_id) WHERE state NOT IN ('ready', 'failed');

-- Texts that people agree to; the same for all clinics. One that was published is never changed.
CREATE TABLE consent_text (
    kind         text NOT NULL CHECK (kind IN ('telehealth_consent', 'recording_consent')),
    version      text NOT NULL,
    lang         text NOT NULL,
    title        text NOT NULL,
    body         text NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (kind, version, lang)
);
CREATE TRIGGER consent_text_published BEFORE UPDATE OR DELETE ON consent_text FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE consent (
    consent_id   uuid PRIMARY KEY,
    clinic_id    uuid NOT NULL,
    visit_id     uuid NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('telehealth_consent', 'recording_consent')),
    decision     text NOT NULL CHECK (decision IN ('accepted', 'refused', 'withdrawn')),
    patient_id   uuid,
    staff_id     uuid,
    recording_id uuid,                       -- of a recording that may never have begun, so no reference
    text_version text NOT NULL,
    lang         text NOT NULL,
    at           timestamptz NOT NULL,
    CHECK (num_nonnulls(patient_id, staff_id) = 1),
    CHECK ((kind = 'recording_consent') = (recording_id IS NOT NULL)),
    FOREIGN KEY (clinic_id, visit_id) REFERENCES visit (clinic_id, visit_id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id),
    FOREIGN KEY (clinic_id, staff_id) REFERENCES staff (clinic_id, staff_id)
);
CREATE INDEX consent_visit ON consent (clinic_id, visit_id);
CREATE INDEX consent_patient ON consent (clinic_id, patient_id);
CREATE INDEX consent_staff ON consent (clinic_id, staff_id);
CREATE TRIGGER consent_evidence BEFORE UPDATE OR DELETE ON consent FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- ---------------------------------------------------------------- call quality

CREATE TABLE quality_sample (
    visit_id        uuid NOT NULL,
    participant_id  uuid NOT NULL,
    direction       text NOT NULL CHECK (direction IN ('up', 'down')),
    at              timestamptz NOT NULL,
    clinic_id       uuid NOT NULL,
    role            text NOT NULL,
    round_trip_ms   real,
    loss            real,
    jitter_ms       real,
    bitrate_bps     bigint,
    freezes         integer,
    concealed_ratio real,
    mos             real,
    PRIMARY KEY (visit_id, participant_id, direction, at),
    FOREIGN KEY (clinic_id, visit_id) REFERENCES visit (clinic_id, visit_id)
);
CREATE INDEX quality_sample_visit ON quality_sample (clinic_id, visit_id);

-- ---------------------------------------------------------------- audit

-- Who did or saw what. seq is the order of insertion, not of commit. clinic_id is NULL only for sign-ins to accounts
-- that do not exist. Patients are named by id alone.
CREATE TABLE audit_event (
    seq           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at            timestamptz NOT NULL,
    clinic_id     uuid,
    actor_kind    text NOT NULL CHECK (actor_kind IN ('staff', 'patient', 'system', 'unknown')),
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
    detail        jsonb
);
CREATE INDEX audit_event_clinic ON audit_event (clinic_id, seq);
CREATE INDEX audit_event_patient ON audit_event (patient_id, seq) WHERE patient_id IS NOT NULL;
CREATE INDEX audit_event_patients ON audit_event USING gin (patient_ids) WHERE patient_ids IS NOT NULL;
CREATE TRIGGER audit_event_evidence BEFORE UPDATE OR DELETE ON audit_event FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- ---------------------------------------------------------------- links, sessions, sign-in

CREATE TABLE join_link (
    join_link_id   uuid PRIMARY KEY,
    clinic_id      uuid NOT NULL,
    appointment_id uuid NOT NULL,
    visit_id       uuid NOT NULL,
    patient_id     uuid NOT NULL,
    token_hash     bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    opens_at       timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    failed_tries   smallint NOT NULL DEFAULT 0,
    locked_at      timestamptz,
    revoked_at     timestamptz,
    created_at     timestamptz NOT NULL,
    UNIQUE (clinic_id, join_link_id),
    FOREIGN KEY (clinic_id, appointment_id) REFERENCES appointment (clinic_id, appointment_id),
    FOREIGN KEY (clinic_id, visit_id) REFERENCES visit (clinic_id, visit_id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id)
);
CREATE INDEX join_link_appointment ON join_link (clinic_id, appointment_id);
CREATE INDEX join_link_visit ON join_link (clinic_id, visit_id);
CREATE INDEX join_link_patient ON join_link (clinic_id, patient_id);
-- One appointment has at most one link that was not withdrawn.
CREATE UNIQUE INDEX join_link_current ON join_link (appointment_id) WHERE revoked_at IS NULL;

CREATE TABLE session (
    token_hash   bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    clinic_id    uuid NOT NULL REFERENCES clinic,
    kind         text NOT NULL CHECK (kind IN ('pending', 'staff', 'patient')), -- pending: password given, code not yet
    staff_id     uuid,
    patient_id   uuid,
    visit_id     uuid,
    join_link_id uuid,
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    ended_at     timestamptz,
    CHECK ((kind = 'patient') = (num_nulls(patient_id, visit_id, join_link_id) = 0)),
    CHECK ((kind = 'patient') = (staff_id IS NULL)),
    FOREIGN KEY (clinic_id, staff_id) REFERENCES staff (clinic_id, staff_id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id),
    FOREIGN KEY (clinic_id, visit_id) REFERENCES visit (clinic_id, visit_id),
    FOREIGN KEY (clinic_id, join_link_id) REFERENCES join_link (clinic_id, join_link_id)
);
CREATE INDEX session_staff ON session (clinic_id, staff_id) WHERE staff_id IS NOT NULL;
CREATE INDEX session_patient ON session (clinic_id, patient_id) WHERE patient_id IS NOT NULL;
CREATE INDEX session_visit ON session (clinic_id, visit_id) WHERE visit_id IS NOT NULL;
CREATE INDEX session_join_link ON session (clinic_id, join_link_id) WHERE join_link_id IS NOT NULL;

-- Failures by account, whether there is such an account or not: account_hash = SHA-256 of the lower-case e-mail.
CREATE TABLE sign_in_account (
    account_hash bytea PRIMARY KEY,
    failures     integer NOT NULL DEFAULT 0, -- in a row
    locked_until timestamptz,
    last_at      timestamptz NOT NULL
);
CREATE INDEX sign_in_account_age ON sign_in_account (last_at);
CREATE TABLE sign_in_failure (
    sign_in_failure_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_hash bytea NOT NULL,
    address      text NOT NULL,
    at           timestamptz NOT NULL
);
CREATE INDEX sign_in_failure_account ON sign_in_failure (account_hash, address, at);
CREATE INDEX sign_in_failure_age ON sign_in_failure (at);

-- Answers to creating requests, given again when the request is repeated.
CREATE TABLE idempotency_key (
    clinic_id    uuid NOT NULL,
    staff_id     uuid NOT NULL,
    key          text NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
    request_hash bytea NOT NULL,
    response     bytea,                      -- sealed under the clinic's data key
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (clinic_id, staff_id, key),
    FOREIGN KEY (clinic_id, staff_id) REFERENCES staff (clinic_id, staff_id)
);

-- ---------------------------------------------------------------- row-level security

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY[
        'clinic', 'staff', 'patient', 'care_assignment', 'data_key', 'appointment', 'visit', 'visit_participant', 'visit_event',
        'visit_location', 'note', 'note_revision', 'note_addendum', 'recording', 'consent', 'quality_sample', 'audit_event',
        'join_link', 'session', 'idempotency_key']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_clinic ON %I USING (clinic_id = current_clinic()) WITH CHECK (clinic_id = current_clinic())', t);
    END LOOP;
END $$;

-- What may be seen before the clinic is known: one row, by the secret or address that was presented; and for the
-- server's own work, which clinics there are.
CREATE POLICY presented ON session FOR SELECT USING (token_hash = presented_token());
CREATE POLICY presented ON join_link FOR SELECT USING (token_hash = presented_token());
CREATE POLICY presented ON staff FOR SELECT USING (lower(email) = nullif(current_setting('bedside.email', true), ''));
CREATE POLICY listed ON clinic FOR SELECT USING (current_setting('bedside.list_clinics', true) = 'on');
-- Sign-ins to unknown accounts belong to no clinic; nobody reads them through the app.
CREATE POLICY no_clinic ON audit_event FOR INSERT WITH CHECK (clinic_id IS NULL AND actor_kind = 'unknown');

-- ---------------------------------------------------------------- what the server may do

-- Rows that are evidence: only inserted.
GRANT SELECT, INSERT ON visit_event, note_revision, note_addendum, consent, audit_event, quality_sample, visit_participant, patient,
    care_assignment, clinic TO bedside_app;
GRANT SELECT ON consent_text TO bedside_app;
-- Rows with a life of their own; never deleted.
GRANT SELECT, INSERT, UPDATE ON staff, data_key, appointment, visit, visit_location, note, recording, join_link, session,
    sign_in_account, idempotency_key TO bedside_app;
-- Bookkeeping that is thrown away when it is old.
GRANT SELECT, INSERT, DELETE ON sign_in_failure TO bedside_app;
GRANT DELETE ON sign_in_account, idempotency_key TO bedside_app;

-- ---------------------------------------------------------------- sessions by token

-- The living session with this token, in one round trip: finds it by the token, then its person within its clinic.
-- p_seen_after: a session last seen before then has idled out. p_touch_before: if not NULL, the session is being used,
-- and this is written down if it was last written before then.
CREATE FUNCTION open_session(p_token_hash bytea, p_now timestamptz, p_seen_after timestamptz, p_touch_before timestamptz)
RETURNS TABLE (kind text, clinic_id uuid, clinic_name text, clinic_phone text, clinic_time_zone text, staff_id uuid, staff_name text,
               staff_role text, patient_id uuid, visit_id uuid, appointment_id uuid, created_at timestamptz, last_seen_at timestamptz, expires_at timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE s session%ROWTYPE;
BEGIN
    PERFORM set_config('bedside.token_hash', encode(p_token_hash, 'hex'), true);
    SELECT * INTO s FROM session x WHERE x.token_hash = p_token_hash;
    PERFORM set_config('bedside.token_hash', '', true);
    IF s.token_hash IS NULL OR s.ended_at IS NOT NULL OR s.expires_at <= p_now OR s.last_seen_at <= p_seen_after THEN
        RETURN;
    END IF;
    PERFORM set_config('bedside.clinic_id', s.clinic_id::text, true);
    IF s.last_seen_at < p_touch_before THEN
        s.last_seen_at := p_now;
        UPDATE session x SET last_seen_at = p_now WHERE x.token_hash = p_token_hash AND x.ended_at IS NULL;
    END IF;
    RETURN QUERY
        SELECT s.kind, c.clinic_id, c.name, c.phone, c.time_zone, f.staff_id, f.name, f.role, s.patient_id, s.visit_id, v.appointment_id,
               s.created_at, s.last_seen_at, s.expires_at
        FROM clinic c
        LEFT JOIN staff f ON f.staff_id = s.staff_id AND f.active
        LEFT JOIN visit v ON v.visit_id = s.visit_id
        WHERE c.clinic_id = s.clinic_id AND (f.staff_id IS NOT NULL OR s.kind = 'patient');
END $$;
