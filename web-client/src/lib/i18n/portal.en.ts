// English: the pages of a patient who signs in.

export const texts = {
  'portal.title': 'Your record',
} as const;

export type Key = keyof typeof texts;
