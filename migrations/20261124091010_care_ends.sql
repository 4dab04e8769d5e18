-- A care relationship by appointment ends: until then who treated sees the record, to look after what they began.

-- For how many days after the slot has passed, or the visit has ended, whichever is later.
ALTER TABLE clinic ADD COLUMN care_days integer NOT NULL DEFAULT 30 CHECK (care_days BETWEEN 1 AND 3650);
-- The clinic's own settings are its administrators' to change.
GRANT UPDATE (care_days, retention_years, shares_recordings) ON clinic TO bedside_app;

-- As before, but an appointment's care ends. One to come gives it from its booking on.
CREATE OR REPLACE FUNCTION stands_to(p_patient uuid, p_staff uuid, p_guardian uuid, p_at timestamptz)
RETURNS TABLE (cares boolean, emergency boolean, guards_record boolean, accompanies boolean) LANGUAGE sql STABLE AS $$
    WITH family AS MATERIALIZED (SELECT patient_family(p_patient) AS patient_id)
    SELECT EXISTS (SELECT FROM appointment c JOIN family USING (patient_id) JOIN clinic k ON k.clinic_id = c.clinic_id
                   LEFT JOIN visit v ON v.appointment_id = c.appointment_id
                   WHERE c.provider_id = p_staff AND c.state <> 'cancelled'
                     AND greatest(c.ends_at, v.ended_at) + k.care_days * interval '24 hours' > p_at)
           OR EXISTS (SELECT FROM care_assignment c JOIN family USING (patient_id) WHERE c.staff_id = p_staff
                      AND c.from_at <= p_at AND (c.until_at IS NULL OR c.until_at > p_at)),
           EXISTS (SELECT FROM emergency_access e JOIN family USING (patient_id) WHERE e.staff_id = p_staff
                   AND e.granted_at <= p_at AND e.expires_at > p_at),
           EXISTS (SELECT FROM guardianship g JOIN family USING (patient_id) WHERE g.guardian_id = p_guardian AND g.scope = 'record'
                   AND g.from_at <= p_at AND (g.until_at IS NULL OR g.until_at > p_at)),
           EXISTS (SELECT FROM guardianship g JOIN family USING (patient_id) WHERE g.guardian_id = p_guardian
                   AND g.from_at <= p_at AND (g.until_at IS NULL OR g.until_at > p_at))
$$;
