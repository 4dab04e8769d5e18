-- Documents of a patient's record: insurance cards, referral letters, photographs. Their bytes are sealed files in the data
-- folder; the key of each stands here, sealed by the patient's data key, so that destroying that key destroys them too.

CREATE TABLE attachment (
    attachment_id     uuid PRIMARY KEY,
    clinic_id         uuid NOT NULL,
    patient_id        uuid NOT NULL,
    visit_id          uuid,                      -- if it was sent during a visit
    category          text NOT NULL CHECK (category IN ('insurance_card', 'identification', 'referral', 'photo', 'other')),
    file_name         bytea NOT NULL,            -- sealed
    object_key        bytea NOT NULL,            -- sealed: what the file's own key is derived from
    media_type        text NOT NULL CHECK (media_type IN ('image/jpeg', 'image/png', 'application/pdf')),
    bytes             bigint NOT NULL CHECK (bytes > 0),
    sha256            bytea NOT NULL,            -- sealed: of the plain file, so that who knows a file can't look for it here
    uploaded_by_staff uuid,
    uploaded_at       timestamptz NOT NULL,
    deleted_by_staff  uuid,
    deleted_at        timestamptz,
    CHECK (deleted_at IS NOT NULL OR deleted_by_staff IS NULL),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id),
    FOREIGN KEY (clinic_id, visit_id) REFERENCES visit (clinic_id, visit_id),
    FOREIGN KEY (clinic_id, uploaded_by_staff) REFERENCES staff (clinic_id, staff_id),
    FOREIGN KEY (clinic_id, deleted_by_staff) REFERENCES staff (clinic_id, staff_id)
);
COMMENT ON TABLE attachment IS 'Documents of a patient''s record; the files are sealed in the data folder, each with a key of its own.';
CREATE INDEX attachment_patient ON attachment (clinic_id, patient_id, uploaded_at);
CREATE INDEX attachment_visit ON attachment (clinic_id, visit_id);
CREATE INDEX attachment_uploader ON attachment (clinic_id, uploaded_by_staff);
CREATE INDEX attachment_deleter ON attachment (clinic_id, deleted_by_staff);

ALTER TABLE attachment ENABLE ROW LEVEL SECURITY;
ALTER TABLE attachment FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON attachment USING (clinic_id = current_clinic()) WITH CHECK (clinic_id = current_clinic());

-- Put on record once; taken off the list, never thrown away; sealed again when the patient's key is rotated.
GRANT SELECT, INSERT ON attachment TO bedside_app;
GRANT UPDATE (deleted_by_staff, deleted_at, file_name, object_key, sha256) ON attachment TO bedside_app;
