-- Who members of staff are and how they prove it: invitations, several second factors, recovery codes, links by mail,
-- known devices; and sessions that can be named, listed and ended one by one.

-- ---------------------------------------------------------------- accounts

-- An account begins with an invitation: no password yet, not active. It becomes active when the first second factor is
-- confirmed, and that moment is kept: an account without it is an invited one, whatever became of the invitation.
ALTER TABLE staff
    ALTER COLUMN password_hash DROP NOT NULL,
    ADD COLUMN activated_at        timestamptz,
    ADD COLUMN deactivated_at      timestamptz,
    ADD COLUMN password_changed_at timestamptz;

-- ---------------------------------------------------------------- second factors

-- How a person proves to be the one who knows the password. Removed ones are kept, for the audit log's sake, without
-- what they could be used with.
CREATE TABLE second_factor (
    second_factor_id    uuid PRIMARY KEY,
    clinic_id           uuid NOT NULL,
    staff_id            uuid NOT NULL,
    kind                text NOT NULL CHECK (kind IN ('totp', 'webauthn')),
    name                text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    totp_secret         bytea,               -- sealed under the clinic's data key, for the place staff.totp_secret and this row's id
    totp_last_step      bigint,              -- a code counts once: later steps only
    credential_id       bytea,               -- WebAuthn: what the authenticator calls it
    credential          bytea,               -- its public key and what was said when it was made
    credential_state    bytea,               -- its counter and flags when it was last used
    transports          smallint,            -- how it can be reached, a set of bits
    created_at          timestamptz NOT NULL,
    confirmed_at        timestamptz,         -- NULL: shown, but no code of it was given yet
    last_used_at        timestamptz,
    removed_at          timestamptz,
    UNIQUE (clinic_id, second_factor_id),
    CHECK (removed_at IS NOT NULL OR (kind = 'totp') = (totp_secret IS NOT NULL)),
    CHECK (removed_at IS NOT NULL OR (kind = 'webauthn') = (num_nulls(credential_id, credential, credential_state, transports) = 0)),
    FOREIGN KEY (clinic_id, staff_id) REFERENCES staff (clinic_id, staff_id)
);
CREATE INDEX second_factor_staff ON second_factor (clinic_id, staff_id);
CREATE UNIQUE INDEX second_factor_credential ON second_factor (credential_id) WHERE credential_id IS NOT NULL;

-- The authenticators that are in use move over. Their rows take the id of their owner, since that is the place that the
-- secret was sealed for. The owner may be held by row-level security, so it is let through for a moment.
ALTER TABLE staff NO FORCE ROW LEVEL SECURITY;
INSERT INTO second_factor (second_factor_id, clinic_id, staff_id, kind, name, totp_secret, totp_last_step, created_at, confirmed_at)
    SELECT staff_id, clinic_id, staff_id, 'totp', 'Authenticator app', totp_secret, totp_last_step, created_at, created_at FROM staff;
UPDATE staff SET activated_at = created_at, deactivated_at = CASE WHEN active THEN NULL ELSE created_at END;
ALTER TABLE staff FORCE ROW LEVEL SECURITY;
ALTER TABLE staff DROP COLUMN totp_secret, DROP COLUMN totp_last_step;

-- For whoever lost every factor: each opens the account once, and only to set up a new factor. SHA-256 of 80 random bits.
CREATE TABLE recovery_code (
    recovery_code_id uuid PRIMARY KEY,
    clinic_id        uuid NOT NULL,
    staff_id         uuid NOT NULL,
    code_hash        bytea NOT NULL CHECK (octet_length(code_hash) = 32),
    created_at       timestamptz NOT NULL,
    used_at          timestamptz,
    replaced_at      timestamptz,            -- a newer set was made
    FOREIGN KEY (clinic_id, staff_id) REFERENCES staff (clinic_id, staff_id)
);
CREATE INDEX recovery_code_staff ON recovery_code (clinic_id, staff_id);

-- ---------------------------------------------------------------- links by mail

-- What a mail to a member of staff carries: an invitation (72 h) or a way to a new password (30 min). Used once.
CREATE TABLE staff_link (
    staff_link_id uuid PRIMARY KEY,
    clinic_id     uuid NOT NULL,
    staff_id      uuid NOT NULL,
    purpose       text NOT NULL CHECK (purpose IN ('invitation', 'password_reset')),
    token_hash    bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    created_by    uuid,                      -- NULL: the server, or the person themselves
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    used_at       timestamptz,
    revoked_at    timestamptz,
    FOREIGN KEY (clinic_id, staff_id) REFERENCES staff (clinic_id, staff_id),
    FOREIGN KEY (clinic_id, created_by) REFERENCES staff (clinic_id, staff_id)
);
CREATE INDEX staff_link_staff ON staff_link (clinic_id, staff_id);
CREATE INDEX staff_link_created_by ON staff_link (clinic_id, created_by) WHERE created_by IS NOT NULL;
-- Of each purpose a person has one link that is neither used nor withdrawn.
CREATE UNIQUE INDEX staff_link_open ON staff_link (staff_id, purpose) WHERE used_at IS NULL AND revoked_at IS NULL;

-- ---------------------------------------------------------------- devices and sessions

-- Browsers that a person has signed in with, by a random cookie: a sign-in from another one is told by mail.
CREATE TABLE known_device (
    known_device_id uuid PRIMARY KEY,
    clinic_id       uuid NOT NULL,
    staff_id        uuid NOT NULL,
    token_hash      bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    first_seen_at   timestamptz NOT NULL,
    last_seen_at    timestamptz NOT NULL,
    UNIQUE (clinic_id, staff_id, token_hash),
    FOREIGN KEY (clinic_id, staff_id) REFERENCES staff (clinic_id, staff_id)
);

-- A session gets a name that may be shown, since its token may not, and what its owner needs to recognise it by.
ALTER TABLE session
    ADD COLUMN session_id       uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN second_factor_at timestamptz, -- when a second factor was last given: sensitive acts need a fresh one
    ADD COLUMN factor           text,        -- which kind it was
    ADD COLUMN enrolling        boolean NOT NULL DEFAULT false, -- pending, and good for setting up a second factor only
    ADD COLUMN address          text,
    ADD COLUMN user_agent       text,
    ADD CHECK (kind = 'pending' OR NOT enrolling),
    ADD UNIQUE (clinic_id, session_id);

-- A challenge that an authenticator has yet to sign: bound to one session, and gone once an answer came, good or bad.
CREATE TABLE webauthn_challenge (
    clinic_id  uuid NOT NULL,
    session_id uuid NOT NULL,
    purpose    text NOT NULL CHECK (purpose IN ('register', 'authenticate')),
    state      bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (clinic_id, session_id, purpose),
    FOREIGN KEY (clinic_id, session_id) REFERENCES session (clinic_id, session_id)
);

-- Sign-ins of one person, from the audit log.
CREATE INDEX audit_event_staff ON audit_event (clinic_id, resource_id, seq) WHERE resource_type = 'staff';

-- ---------------------------------------------------------------- isolation, and what the server may do

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['second_factor', 'recovery_code', 'staff_link', 'known_device', 'webauthn_challenge']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_clinic ON %I USING (clinic_id = current_clinic()) WITH CHECK (clinic_id = current_clinic())', t);
    END LOOP;
END $$;
CREATE POLICY presented ON staff_link FOR SELECT USING (token_hash = presented_token());
GRANT SELECT, INSERT, UPDATE ON second_factor, recovery_code, staff_link, known_device, webauthn_challenge TO bedside_app;
GRANT DELETE ON webauthn_challenge TO bedside_app;

-- ---------------------------------------------------------------- sessions by token

-- As before, and says which session it is, when a second factor was last given, and whether it is good for setting one
-- up only. An account that is not active yet has sessions of that last kind alone.
DROP FUNCTION open_session(bytea, timestamptz, timestamptz, timestamptz);
CREATE FUNCTION open_session(p_token_hash bytea, p_now timestamptz, p_seen_after timestamptz, p_touch_before timestamptz)
RETURNS TABLE (kind text, clinic_id uuid, clinic_name text, clinic_phone text, clinic_time_zone text, staff_id uuid, staff_name text,
               staff_role text, patient_id uuid, visit_id uuid, appointment_id uuid, created_at timestamptz, last_seen_at timestamptz,
               expires_at timestamptz, session_id uuid, second_factor_at timestamptz, enrolling boolean)
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
               s.created_at, s.last_seen_at, s.expires_at, s.session_id, s.second_factor_at, s.enrolling
        FROM clinic c
        LEFT JOIN staff f ON f.staff_id = s.staff_id AND (f.active OR (s.enrolling AND f.activated_at IS NULL AND f.deactivated_at IS NULL))
        LEFT JOIN visit v ON v.visit_id = s.visit_id
        WHERE c.clinic_id = s.clinic_id AND (f.staff_id IS NOT NULL OR s.kind = 'patient');
END $$;
