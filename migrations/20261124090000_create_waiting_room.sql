-- The waiting room: where a patient stands in line, what staff do with those who wait, and what is said to them.

-- queue_version grows with every deed, so that of two people who act at the same moment the second is told. A place in
-- line outlives a lost connection: line_since says where one stood, line_left_at when one went.
ALTER TABLE visit
    ADD COLUMN queue_version integer NOT NULL DEFAULT 0,
    ADD COLUMN line_since    timestamptz,
    ADD COLUMN line_left_at  timestamptz,
    ADD COLUMN held_since    timestamptz,
    ADD COLUMN hold_words    bytea,             -- to the patient
    ADD COLUMN declined_at   timestamptz,
    ADD COLUMN decline_words bytea,             -- to the patient
    ADD COLUMN chat_seen_at  timestamptz;       -- staff have read what the patient wrote until then
ALTER TABLE visit DROP CONSTRAINT visit_state_check;
ALTER TABLE visit ADD CONSTRAINT visit_state_check
    CHECK (state IN ('booked', 'checking_in', 'waiting', 'in_visit', 'ended', 'cancelled', 'no_show'));

-- Who waits can be moved to another provider, who sees them between their own appointments: such a slot may overlap.
ALTER TABLE appointment
    ADD COLUMN moved_from uuid,
    ADD COLUMN moved_at   timestamptz,
    ADD CHECK ((moved_from IS NULL) = (moved_at IS NULL)),
    ADD FOREIGN KEY (clinic_id, moved_from) REFERENCES staff (clinic_id, staff_id);
CREATE INDEX appointment_moved_from ON appointment (clinic_id, moved_from) WHERE moved_from IS NOT NULL;
ALTER TABLE appointment DROP CONSTRAINT appointment_no_overlap;
ALTER TABLE appointment ADD CONSTRAINT appointment_no_overlap EXCLUDE USING gist
    (provider_id WITH =, tstzrange(starts_at, ends_at) WITH &&) WHERE (state <> 'cancelled' AND moved_at IS NULL);

-- What the patient's device check found; no data of the patient.
CREATE TABLE device_check (
    visit_id      uuid PRIMARY KEY,
    clinic_id     uuid NOT NULL,
    camera        text NOT NULL CHECK (camera IN ('works', 'failed')),
    microphone    text NOT NULL CHECK (microphone IN ('works', 'failed')),
    network       text NOT NULL CHECK (network IN ('good', 'weak', 'bad', 'unknown')),
    round_trip_ms real CHECK (round_trip_ms >= 0),
    loss          real CHECK (loss BETWEEN 0 AND 1),
    up_kbps       integer CHECK (up_kbps >= 0),
    down_kbps     integer CHECK (down_kbps >= 0),
    at            timestamptz NOT NULL,
    FOREIGN KEY (clinic_id, visit_id) REFERENCES visit (clinic_id, visit_id)
);
CREATE INDEX device_check_visit ON device_check (clinic_id, visit_id);

-- What patients who wait and staff write to each other. Its id is the sender's, so that a repeated send is stored once.
CREATE TABLE waiting_message (
    waiting_message_id uuid PRIMARY KEY,
    clinic_id          uuid NOT NULL,
    visit_id           uuid NOT NULL,
    patient_id         uuid NOT NULL,
    by_staff           uuid,                    -- nobody: the patient
    words              bytea NOT NULL,
    at                 timestamptz NOT NULL,
    FOREIGN KEY (clinic_id, visit_id) REFERENCES visit (clinic_id, visit_id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id),
    FOREIGN KEY (clinic_id, by_staff) REFERENCES staff (clinic_id, staff_id)
);
CREATE INDEX waiting_message_visit ON waiting_message (clinic_id, visit_id, at);
CREATE INDEX waiting_message_patient ON waiting_message (clinic_id, patient_id);
CREATE INDEX waiting_message_by ON waiting_message (clinic_id, by_staff) WHERE by_staff IS NOT NULL;

-- Said to all who wait: for one provider, or (nobody named) in the whole clinic.
CREATE TABLE announcement (
    announcement_id uuid PRIMARY KEY,
    clinic_id       uuid NOT NULL,
    provider_id     uuid,
    words           bytea NOT NULL,             -- under the clinic's key
    by_staff        uuid NOT NULL,
    at              timestamptz NOT NULL,
    until_at        timestamptz NOT NULL CHECK (until_at > at),
    ended_at        timestamptz,
    ended_by        uuid,
    FOREIGN KEY (clinic_id, provider_id) REFERENCES staff (clinic_id, staff_id),
    FOREIGN KEY (clinic_id, by_staff) REFERENCES staff (clinic_id, staff_id),
    FOREIGN KEY (clinic_id, ended_by) REFERENCES staff (clinic_id, staff_id)
);
CREATE INDEX announcement_current ON announcement (clinic_id, until_at);
CREATE INDEX announcement_provider ON announcement (clinic_id, provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX announcement_by ON announcement (clinic_id, by_staff);
CREATE INDEX announcement_ended_by ON announcement (clinic_id, ended_by) WHERE ended_by IS NOT NULL;

-- How late a provider runs, as the clinic says. Nobody is late for longer than the day.
CREATE TABLE provider_delay (
    staff_id  uuid PRIMARY KEY,
    clinic_id uuid NOT NULL,
    minutes   integer NOT NULL CHECK (minutes BETWEEN 0 AND 480),
    said_by   uuid NOT NULL,
    said_at   timestamptz NOT NULL,
    until_at  timestamptz NOT NULL,
    FOREIGN KEY (clinic_id, staff_id) REFERENCES staff (clinic_id, staff_id),
    FOREIGN KEY (clinic_id, said_by) REFERENCES staff (clinic_id, staff_id)
);
CREATE INDEX provider_delay_staff ON provider_delay (clinic_id, staff_id);
CREATE INDEX provider_delay_said_by ON provider_delay (clinic_id, said_by);

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['device_check', 'waiting_message', 'announcement', 'provider_delay']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_clinic ON %I USING (clinic_id = current_clinic()) WITH CHECK (clinic_id = current_clinic())', t);
    END LOOP;
END $$;

GRANT SELECT, INSERT ON waiting_message, announcement TO bedside_app;
GRANT UPDATE (ended_at, ended_by) ON announcement TO bedside_app;
GRANT SELECT, INSERT, UPDATE ON device_check, provider_delay TO bedside_app;
