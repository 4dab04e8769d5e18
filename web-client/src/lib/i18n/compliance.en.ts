// English: audit log, emergency access, unusual access.

export const texts = {
  'nav.emergency_access': 'Emergency access',
} as const;

export type Key = keyof typeof texts;
