// The log's words in plain ones.

import { useText, type TextKey } from '../../lib/i18n/text';

/** Actions that can be searched for, as people think of them. */
export const ACTIONS = [
  'sign_in.password', 'sign_in.totp', 'session.ended', 'schedule.read', 'patient.search', 'patient.create', 'appointment.booked', 'link.issued', 'link.revoked',
  'visit.identify', 'visit.join', 'visit.read', 'visit.admitted', 'visit.ended', 'timeline.read', 'note.read', 'note.saved', 'note.signed', 'note.addendum_added',
  'recording.list', 'recording.play', 'recording.sealed', 'consent.accepted', 'quality.read', 'staff.create', 'audit.search', 'audit.export', 'audit.viewers',
  'audit.finding_reviewed',
] as const;

export function useWords() {
  const { t } = useText();
  const known = (key: string, otherwise: string) => {
    const word = t(key as TextKey);
    return word === key ? otherwise : word;
  };
  return {
    /** An action; one without words of its own as it stands in the log. */
    action: (name: string) => known(`act.${name}`, name),
    /** A role; the parts of the server act, too: the recorder, the room. */
    role: (name: string) => known(`role.${name}`, t('audit.server', { part: name })),
  };
}

/** What a datetime-local field holds, as an instant; empty stays empty. */
export function instant(local: string): string {
  return local && new Date(local).toISOString();
}
