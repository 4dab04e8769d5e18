// What must hold of the database whatever was killed when: nothing half-done, nothing done without its row in the audit log.

import { rows } from './database.mjs';

/** Each gives the rows that break a rule; none may. */
const RULES = {
  'a note has exactly the revisions up to its version': `
    SELECT n.note_id FROM note n LEFT JOIN note_revision r USING (note_id)
    GROUP BY n.note_id, n.version HAVING count(r.version) <> n.version OR max(r.version) <> n.version`,
  'every saved revision has one row in the audit log, and every row its revision': `
    SELECT coalesce(w.visit_id, l.visit_id) AS visit, w.times AS revisions, l.times AS logged
    FROM (SELECT n.visit_id, count(*) AS times FROM note_revision r JOIN note n USING (note_id) GROUP BY 1) w
    FULL JOIN (SELECT resource_id AS visit_id, count(*) AS times FROM audit_event WHERE action LIKE 'note.%' AND outcome = 'allowed'
               AND action NOT IN ('note.read', 'note.addendum_added', 'note.signed') GROUP BY 1) l USING (visit_id)
    WHERE w.times IS DISTINCT FROM l.times`,
  'every appointment has one visit and was logged once': `
    SELECT a.appointment_id FROM appointment a
    WHERE (SELECT count(*) FROM visit v WHERE v.appointment_id = a.appointment_id) <> 1
       OR (SELECT count(*) FROM join_link l JOIN visit v USING (visit_id) WHERE v.appointment_id = a.appointment_id) < 1`,
  'every row of the audit log about a booking has its appointment': `
    SELECT e.seq FROM audit_event e LEFT JOIN appointment a ON a.appointment_id = e.resource_id
    WHERE e.action = 'appointment.booked' AND e.outcome = 'allowed' AND a.appointment_id IS NULL`,
  'a repeated request has an answer to repeat': `SELECT key FROM idempotency_key WHERE response IS NULL`,
  'the facts of a visit are numbered without gaps': `
    SELECT v.visit_id FROM visit v LEFT JOIN visit_event e USING (visit_id)
    GROUP BY v.visit_id, v.last_seq HAVING count(e.seq) <> v.last_seq OR coalesce(max(e.seq), 0) <> v.last_seq`,
  'every chat line has its text': `SELECT visit_id, seq FROM visit_event WHERE (fact->>'type' = 'chat_posted' OR fact->>'is' = 'chat_posted') AND chat_text IS NULL`,
  'every patient has a data key': `
    SELECT p.patient_id FROM patient p WHERE NOT EXISTS (SELECT FROM data_key k WHERE k.purpose = 'patient' AND k.owner_id = p.patient_id)`,
  'every stated place and every consent has a row in the audit log': `
    SELECT visit_id FROM visit_location l WHERE NOT EXISTS (SELECT FROM audit_event e WHERE e.action = 'location.stated' AND e.resource_id = l.visit_id)
    UNION ALL SELECT c.visit_id FROM (SELECT visit_id, count(*) AS times FROM consent WHERE kind = 'telehealth_consent' GROUP BY 1) c
    WHERE c.times > (SELECT count(*) FROM audit_event e WHERE e.action = 'consent.accepted' AND e.resource_id = c.visit_id)`,
};

/** What is wrong, in sentences. */
export async function whatIsBroken(data) {
  const wrong = [];
  for (const [rule, query] of Object.entries(RULES)) {
    const broken = await rows(data, query);
    if (broken.length > 0) wrong.push(`not so: ${rule}: ${JSON.stringify(broken.slice(0, 3))}`);
  }
  return wrong;
}

/** Acknowledged requests that the audit log does not know. */
export async function unlogged(data, requests) {
  if (requests.length === 0) return [];
  const list = requests.map((id) => `'${id}'`).join(',');
  const missing = await rows(
    data,
    `SELECT asked FROM unnest(ARRAY[${list}]) asked WHERE NOT EXISTS (SELECT FROM audit_event e WHERE e.request_id = asked)`,
  );
  return missing.map(({ asked }) => `request ${asked} was acknowledged and is not in the audit log`);
}
