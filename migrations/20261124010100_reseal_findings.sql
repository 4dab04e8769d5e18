-- The remarks of a finding are sealed again when the patient's data key is renewed. That is done by the owner's function, never
-- by the app's own UPDATE, and changes nothing but the sealed bytes; all else of a finding stays as it was given.
CREATE OR REPLACE FUNCTION keep_finding() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'reviewed' AND (current_user = 'bedside_app' OR to_jsonb(NEW) - 'remarks' <> to_jsonb(OLD) - 'remarks') THEN
        RAISE EXCEPTION 'a finding on emergency access never changes';
    END IF;
    IF OLD.state = 'open' AND EXISTS (SELECT FROM emergency_access e
        WHERE e.emergency_access_id = NEW.emergency_access_id AND e.staff_id = NEW.reviewed_by) THEN
        RAISE EXCEPTION 'nobody reviews their own emergency access';
    END IF;
    RETURN NEW;
END $$;
