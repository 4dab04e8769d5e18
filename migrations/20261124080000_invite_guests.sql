-- Guests come: an invitation by link or of a member of staff, a session of their own, a seat, a consent of their own.

-- The address that the link was mailed to (sealed like the name), the moment from which it can be used, when somebody
-- first came by it, and the member of staff who was asked to come instead of a stranger with a link.
ALTER TABLE visit_guest
    ADD COLUMN email     bytea,
    ADD COLUMN opens_at  timestamptz,
    ADD COLUMN opened_at timestamptz,
    ADD COLUMN staff_id  uuid,
    ADD CHECK (num_nonnulls(token_hash, staff_id) < 2),
    ADD CHECK (staff_id IS NULL OR role = 'specialist'),
    ADD FOREIGN KEY (clinic_id, staff_id) REFERENCES staff (clinic_id, staff_id);
CREATE INDEX visit_guest_staff ON visit_guest (clinic_id, staff_id) WHERE staff_id IS NOT NULL;
-- Nobody is asked twice to come to the same visit.
CREATE UNIQUE INDEX visit_guest_staff_once ON visit_guest (visit_id, staff_id) WHERE staff_id IS NOT NULL AND ended_at IS NULL;
GRANT UPDATE (name, opened_at) ON visit_guest TO bedside_app;

-- A guest's session belongs to one invitation, and so to one visit. It has no patient: what asks for one finds nothing.
ALTER TABLE session
    ADD COLUMN visit_guest_id uuid,
    DROP CONSTRAINT session_kind_check,
    DROP CONSTRAINT session_check,
    DROP CONSTRAINT session_check1,
    ADD CONSTRAINT session_kind CHECK (kind IN ('pending', 'staff', 'patient', 'guest')),
    ADD CONSTRAINT session_of_staff CHECK ((kind IN ('pending', 'staff')) = (staff_id IS NOT NULL)),
    ADD CONSTRAINT session_of_patient CHECK ((kind = 'patient') = (num_nulls(patient_id, join_link_id) = 0)),
    ADD CONSTRAINT session_of_guest CHECK ((kind = 'guest') = (visit_guest_id IS NOT NULL)),
    ADD CONSTRAINT session_of_visit CHECK ((kind IN ('patient', 'guest')) = (visit_id IS NOT NULL)),
    ADD FOREIGN KEY (clinic_id, visit_guest_id) REFERENCES visit_guest (clinic_id, visit_guest_id);
CREATE INDEX session_visit_guest ON session (clinic_id, visit_guest_id) WHERE visit_guest_id IS NOT NULL;

-- Guests sit in visits, do things there, and answer for themselves.
ALTER TABLE visit_participant
    ADD COLUMN visit_guest_id uuid,
    DROP CONSTRAINT visit_participant_check,
    ADD CONSTRAINT visit_participant_one CHECK (num_nonnulls(staff_id, patient_id, visit_guest_id) = 1),
    ADD FOREIGN KEY (clinic_id, visit_guest_id) REFERENCES visit_guest (clinic_id, visit_guest_id);
CREATE INDEX visit_participant_guest ON visit_participant (clinic_id, visit_guest_id) WHERE visit_guest_id IS NOT NULL;
ALTER TABLE visit_event
    ADD COLUMN by_guest uuid,
    DROP CONSTRAINT visit_event_check,
    ADD CONSTRAINT visit_event_by_one CHECK (num_nonnulls(by_staff, by_patient, by_guest) < 2),
    ADD FOREIGN KEY (clinic_id, by_guest) REFERENCES visit_guest (clinic_id, visit_guest_id);
CREATE INDEX visit_event_by_guest ON visit_event (clinic_id, by_guest) WHERE by_guest IS NOT NULL;
ALTER TABLE consent
    ADD COLUMN visit_guest_id uuid,
    DROP CONSTRAINT consent_kind_check,
    DROP CONSTRAINT consent_check,
    ADD CONSTRAINT consent_kind CHECK (kind IN ('telehealth_consent', 'recording_consent', 'guest_consent')),
    ADD CONSTRAINT consent_by_one CHECK (num_nonnulls(patient_id, staff_id, visit_guest_id) = 1),
    ADD CONSTRAINT consent_of_guest CHECK (kind <> 'guest_consent' OR visit_guest_id IS NOT NULL),
    ADD FOREIGN KEY (clinic_id, visit_guest_id) REFERENCES visit_guest (clinic_id, visit_guest_id);
CREATE INDEX consent_guest ON consent (clinic_id, visit_guest_id) WHERE visit_guest_id IS NOT NULL;

-- As before, and for guests: as long as their invitation stands.
DROP FUNCTION open_session(bytea, timestamptz, timestamptz, timestamptz);
CREATE FUNCTION open_session(p_token_hash bytea, p_now timestamptz, p_seen_after timestamptz, p_touch_before timestamptz)
RETURNS TABLE (kind text, clinic_id uuid, clinic_name text, clinic_phone text, clinic_time_zone text, staff_id uuid, staff_name text,
               staff_role text, patient_id uuid, visit_id uuid, appointment_id uuid, created_at timestamptz, last_seen_at timestamptz,
               expires_at timestamptz, session_id uuid, second_factor_at timestamptz, enrolling boolean, visit_guest_id uuid, guest_role text)
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
               s.created_at, s.last_seen_at, s.expires_at, s.session_id, s.second_factor_at, s.enrolling, g.visit_guest_id, g.role
        FROM clinic c
        LEFT JOIN staff f ON f.staff_id = s.staff_id AND (f.active OR (s.enrolling AND f.activated_at IS NULL AND f.deactivated_at IS NULL))
        LEFT JOIN visit v ON v.visit_id = s.visit_id
        LEFT JOIN visit_guest g ON g.visit_guest_id = s.visit_guest_id AND g.ended_at IS NULL AND g.expires_at > p_now
        WHERE c.clinic_id = s.clinic_id AND (f.staff_id IS NOT NULL OR g.visit_guest_id IS NOT NULL OR s.kind = 'patient');
END $$;

-- What a guest agrees to before they come in.
ALTER TABLE consent_text DROP CONSTRAINT consent_text_kind_check;
ALTER TABLE consent_text ADD CONSTRAINT consent_text_kind CHECK (kind IN ('telehealth_consent', 'recording_consent', 'guest_consent'));
INSERT INTO consent_text (kind, version, lang, title, body, published_at) VALUES
('guest_consent', '2026-11', 'en', 'You are a guest in a medical visit', $$You were asked to take part in somebody's medical visit by video. Please read this first.

What you see and hear is private. It belongs to the patient and is protected by law. Do not tell others, do not take notes that you keep, and do not make pictures or recordings.

Be where nobody can listen. Use a quiet room. If somebody else is with you, say so at once.

You come in when the clinician lets you in. Everyone in the visit sees your name and why you are there. You may leave at any time, and the clinician or the patient may ask you to.

If the clinic wants to record, it will ask you too. You may say no, and then nothing is recorded.

If you interpret: pass on everything that is said, add nothing, leave nothing out, and say so if you did not understand.

By choosing "I agree" you say that you have read this and will keep to it.$$, '2026-11-01T00:00:00Z'),
('guest_consent', '2026-11', 'es', 'Usted viene de invitado a una consulta médica', $$Le pidieron participar en la consulta médica por video de otra persona. Lea esto primero, por favor.

Lo que usted vea y oiga es privado. Pertenece al paciente y lo protege la ley. No lo cuente, no guarde notas y no tome fotos ni grabaciones.

Esté donde nadie pueda escuchar. Busque una habitación tranquila. Si alguien está con usted, dígalo enseguida.

Usted entra cuando el profesional de salud le deja pasar. Todas las personas de la consulta ven su nombre y por qué está allí. Puede salir en cualquier momento, y el profesional o el paciente pueden pedírselo.

Si la clínica quiere grabar, también le preguntará a usted. Puede decir que no, y entonces no se graba nada.

Si usted interpreta: transmita todo lo que se diga, no agregue nada, no omita nada, y diga cuando no haya entendido.

Al elegir "Acepto" usted dice que ha leído este texto y que lo va a cumplir.$$, '2026-11-01T00:00:00Z');
