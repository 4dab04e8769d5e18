-- Patients are found by names they had before. Whose record has been changed is indexed anew by the next start, from the
-- versions that are kept anyway. The owner may be held by row-level security, so it is let through for a moment.
ALTER TABLE patient NO FORCE ROW LEVEL SECURITY;
UPDATE patient SET indexed_with = 0 WHERE version > 0 AND destroyed_at IS NULL;
ALTER TABLE patient FORCE ROW LEVEL SECURITY;
