-- Forgetting a patient after retention: the data keys go, and with them everything that is sealed under them.

-- Years after the last activity that a record is kept.
ALTER TABLE clinic ADD COLUMN retention_years integer NOT NULL DEFAULT 7 CHECK (retention_years BETWEEN 1 AND 100);
-- Nothing of this patient opens any more.
ALTER TABLE patient ADD COLUMN destroyed_at timestamptz;
GRANT UPDATE (destroyed_at) ON patient TO bedside_app;

-- While one stands, nothing of the patient is destroyed. Never deleted: lifting it is written down.
CREATE TABLE legal_hold (
    legal_hold_id uuid PRIMARY KEY,
    clinic_id     uuid NOT NULL,
    patient_id    uuid NOT NULL,
    reason        bytea NOT NULL,            -- sealed under the patient's data key
    placed_by     uuid NOT NULL,
    placed_at     timestamptz NOT NULL,
    lifted_by     uuid,
    lifted_at     timestamptz,
    CHECK ((lifted_by IS NULL) = (lifted_at IS NULL)),
    FOREIGN KEY (clinic_id, patient_id) REFERENCES patient (clinic_id, patient_id),
    FOREIGN KEY (clinic_id, placed_by) REFERENCES staff (clinic_id, staff_id),
    FOREIGN KEY (clinic_id, lifted_by) REFERENCES staff (clinic_id, staff_id)
);
CREATE INDEX legal_hold_patient ON legal_hold (clinic_id, patient_id);
CREATE INDEX legal_hold_placed_by ON legal_hold (clinic_id, placed_by);
CREATE INDEX legal_hold_lifted_by ON legal_hold (clinic_id, lifted_by) WHERE lifted_by IS NOT NULL;
-- One at a time.
CREATE UNIQUE INDEX legal_hold_current ON legal_hold (patient_id) WHERE lifted_at IS NULL;

ALTER TABLE legal_hold ENABLE ROW LEVEL SECURITY;
ALTER TABLE legal_hold FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON legal_hold USING (clinic_id = current_clinic()) WITH CHECK (clinic_id = current_clinic());
GRANT SELECT, INSERT ON legal_hold TO bedside_app;
GRANT UPDATE (lifted_by, lifted_at) ON legal_hold TO bedside_app;
