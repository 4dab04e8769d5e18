// What the audit log's words mean to a patient.

import type { TextKey } from '../../lib/i18n/text';

/** Longest beginning that fits wins. What is not known here is still shown, as the use of the record that it is. */
const DEEDS: readonly [string, TextKey][] = [
  ['schedule.', 'portal.deed.schedule'],
  ['appointment.', 'portal.deed.appointment'],
  ['link.', 'portal.deed.link'],
  ['patient.search', 'portal.deed.search'],
  ['patient.create', 'portal.deed.create'],
  ['patient.export', 'portal.deed.export'],
  ['patient.', 'portal.deed.details'],
  ['insurance.', 'portal.deed.details'],
  ['clinical.', 'portal.deed.chart'],
  ['chart.', 'portal.deed.chart'],
  ['visit.join', 'portal.deed.seat'],
  ['visit.', 'portal.deed.visit'],
  ['timeline.', 'portal.deed.visit'],
  ['chat.', 'portal.deed.chat'],
  ['note.read', 'portal.deed.note_read'],
  ['note.', 'portal.deed.note_write'],
  ['recording.', 'portal.deed.recording'],
  ['quality.', 'portal.deed.quality'],
  ['audit.', 'portal.deed.audit'],
  ['emergency', 'portal.deed.emergency'],
  ['portal.', 'portal.deed.portal'],
  ['mail.', 'portal.deed.mail'],
];

export function deed(action: string): TextKey {
  const fits = DEEDS.filter(([begins]) => action.startsWith(begins));
  return fits.sort(([a], [b]) => b.length - a.length)[0]?.[1] ?? 'portal.deed.other';
}
