-- An e-mail address that somebody gave in the portal signs in to a record, so it does not count before a link that was
-- mailed to it was used. Until then it stands here and nowhere else.
CREATE TABLE portal_email_change (
    portal_email_change_id uuid PRIMARY KEY,
    clinic_id    uuid NOT NULL,
    patient_id   uuid NOT NULL,
    by_guardian  uuid,                         -- NULL: the patient
    address      bytea,                        -- sealed under the patient's data key; thrown away once settled
    emails       bytea,                        -- the whole list as it shall stand; the same
    token_hash   bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    confirmed_at timestamptz,
    withdrawn_at timestamptz,                  -- another change came instead
    CHECK (num_nonnulls(confirmed_at, withdrawn_at) < 2),
    CHECK ((num_nonnulls(confirmed_at, withdrawn_at) = 1) = (num_nonnulls(address, emails) = 0)),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id),
    FOREIGN KEY (clinic_id, by_guardian) REFERENCES guardian (clinic_id, guardian_id)
);
COMMENT ON TABLE portal_email_change IS 'New e-mail addresses from the portal that were not confirmed yet.';
CREATE INDEX portal_email_change_patient ON portal_email_change (clinic_id, patient_id, created_at);
CREATE INDEX portal_email_change_guardian ON portal_email_change (clinic_id, by_guardian);
-- Of each patient one change waits.
CREATE UNIQUE INDEX portal_email_change_waiting ON portal_email_change (patient_id) WHERE confirmed_at IS NULL AND withdrawn_at IS NULL;

ALTER TABLE portal_email_change ENABLE ROW LEVEL SECURITY;
ALTER TABLE portal_email_change FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON portal_email_change USING (clinic_id = current_clinic()) WITH CHECK (clinic_id = current_clinic());
-- Before the clinic is known, a row is found by what only its holder knows.
CREATE POLICY presented ON portal_email_change FOR SELECT USING (token_hash = presented_token());
GRANT SELECT, INSERT ON portal_email_change TO bedside_app;
GRANT UPDATE (address, emails, confirmed_at, withdrawn_at) ON portal_email_change TO bedside_app;
