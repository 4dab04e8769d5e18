// English: the list of patients and a patient’s record.

export const texts = {
  'nav.patients': 'Patients',
} as const;

export type Key = keyof typeof texts;
