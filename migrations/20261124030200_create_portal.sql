-- The patients' portal: links by mail that sign in, sessions, and an optional second factor. Somebody signs in as a
-- patient, as a guardian, or as both at once.

-- A link is used once, within 15 minutes, and only when a person presses the button: opening it uses nothing up.
CREATE TABLE portal_link (
    portal_link_id uuid PRIMARY KEY,
    clinic_id      uuid NOT NULL,
    patient_id     uuid,
    guardian_id    uuid,
    token_hash     bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    used_at        timestamptz,
    CHECK (num_nonnulls(patient_id, guardian_id) > 0),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id),
    FOREIGN KEY (clinic_id, guardian_id) REFERENCES guardian (clinic_id, guardian_id)
);
CREATE INDEX portal_link_patient ON portal_link (clinic_id, patient_id, created_at);
CREATE INDEX portal_link_guardian ON portal_link (clinic_id, guardian_id, created_at);

-- pending: the link was used, the second factor is still to come.
CREATE TABLE portal_session (
    portal_session_id uuid PRIMARY KEY,
    clinic_id    uuid NOT NULL REFERENCES clinic,
    patient_id   uuid,
    guardian_id  uuid,
    token_hash   bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    state        text NOT NULL CHECK (state IN ('pending', 'full')),
    second_factor_at timestamptz,
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    ended_at     timestamptz,
    user_agent   text,
    CHECK (num_nonnulls(patient_id, guardian_id) > 0),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id),
    FOREIGN KEY (clinic_id, guardian_id) REFERENCES guardian (clinic_id, guardian_id)
);
CREATE INDEX portal_session_patient ON portal_session (clinic_id, patient_id);
CREATE INDEX portal_session_guardian ON portal_session (clinic_id, guardian_id);

-- A second factor that a patient or guardian has switched on. One that was removed is kept, without its secret.
CREATE TABLE portal_factor (
    portal_factor_id uuid PRIMARY KEY,
    clinic_id    uuid NOT NULL,
    patient_id   uuid,
    guardian_id  uuid,
    totp_secret  bytea,                        -- sealed under the clinic's data key
    last_step    bigint,                       -- a code counts once: later steps only
    failures     integer NOT NULL DEFAULT 0,   -- in a row
    locked_until timestamptz,
    created_at   timestamptz NOT NULL,
    confirmed_at timestamptz,
    removed_at   timestamptz,
    CHECK (num_nonnulls(patient_id, guardian_id) = 1),
    CHECK ((totp_secret IS NULL) = (removed_at IS NOT NULL)),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id),
    FOREIGN KEY (clinic_id, guardian_id) REFERENCES guardian (clinic_id, guardian_id)
);
CREATE INDEX portal_factor_patient ON portal_factor (clinic_id, patient_id);
CREATE INDEX portal_factor_guardian ON portal_factor (clinic_id, guardian_id);
CREATE UNIQUE INDEX portal_factor_current ON portal_factor (coalesce(patient_id, guardian_id)) WHERE removed_at IS NULL;

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['portal_link', 'portal_session', 'portal_factor']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_clinic ON %I USING (clinic_id = current_clinic()) WITH CHECK (clinic_id = current_clinic())', t);
    END LOOP;
END $$;
-- Before the clinic is known, a row is found by what only its holder knows.
CREATE POLICY presented ON portal_link FOR SELECT USING (token_hash = presented_token());
CREATE POLICY presented ON portal_session FOR SELECT USING (token_hash = presented_token());

GRANT SELECT, INSERT ON portal_link, portal_session, portal_factor TO bedside_app;
GRANT UPDATE (used_at) ON portal_link TO bedside_app;
GRANT UPDATE (last_seen_at, ended_at, second_factor_at) ON portal_session TO bedside_app;
GRANT UPDATE (totp_secret, last_step, failures, locked_until, confirmed_at, removed_at) ON portal_factor TO bedside_app;
