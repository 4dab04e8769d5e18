-- Finding patients without opening them. A token is HMAC-SHA-256, cut to 64 bits, of one normalised thing that people
-- search for (a word of a name or its beginning, a date of birth, a number), under a key of the clinic that is wrapped
-- like every data key. Who has only this table learns which patients share a token, not of what: see docs/keys.md.

ALTER TABLE data_key DROP CONSTRAINT data_key_purpose_check;
ALTER TABLE data_key ADD CONSTRAINT data_key_purpose_check CHECK (purpose IN ('clinic', 'patient', 'recording', 'attachment', 'index'));

-- A version is prepared (readers know it already), then active (it seals), then retired (it still opens), then destroyed.
ALTER TABLE data_key ADD COLUMN activated_at timestamptz;
UPDATE data_key SET activated_at = created_at;
ALTER TABLE data_key ADD CHECK (retired_at IS NULL OR activated_at IS NOT NULL);
DROP INDEX data_key_current;
CREATE UNIQUE INDEX data_key_current ON data_key (purpose, owner_id) WHERE activated_at IS NOT NULL AND retired_at IS NULL;
CREATE UNIQUE INDEX data_key_prepared ON data_key (purpose, owner_id) WHERE activated_at IS NULL;

-- Version of the clinic's index key that the patient's tokens were made with; 0: not indexed yet.
ALTER TABLE patient ADD COLUMN indexed_with integer NOT NULL DEFAULT 0;

CREATE TABLE patient_index (
    clinic_id   uuid NOT NULL,
    token       bigint NOT NULL,
    patient_id  uuid NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('name', 'born', 'phone', 'mrn', 'email')),
    key_version integer NOT NULL CHECK (key_version > 0),
    PRIMARY KEY (clinic_id, token, patient_id),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id)
);
CREATE INDEX patient_index_patient ON patient_index (clinic_id, patient_id);

ALTER TABLE patient_index ENABLE ROW LEVEL SECURITY;
ALTER TABLE patient_index FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON patient_index USING (clinic_id = current_clinic()) WITH CHECK (clinic_id = current_clinic());

-- Tokens are made again when what they stand for changes.
GRANT SELECT, INSERT, DELETE ON patient_index TO bedside_app;
GRANT UPDATE (indexed_with) ON patient TO bedside_app;
