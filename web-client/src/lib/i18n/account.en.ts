// English: one’s own sign-in, second factors and sessions, and the clinic’s staff.

export const texts = {
  'nav.staff': 'Staff',
} as const;

export type Key = keyof typeof texts;
