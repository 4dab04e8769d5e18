// What a refusal says about the field that it names.

import { Problem } from '../../lib/api/client';

/** What is wrong with a field, in the server's words after its name. */
export function invalidText(error: unknown): string {
  if (!(error instanceof Problem)) return '';
  const text = String(error.more.invalid ?? '');
  return text.slice(text.indexOf(': ') + 2);
}
