// What may be sent as a document, and why one was not taken. The server decides; this spares the wait and finds the words.

import { Problem } from '../../lib/api/client';
import type { AttachmentCategory } from '../../lib/api/types';
import type { TextKey, Translate } from '../../lib/i18n/text';
import { problemText } from '../../lib/ui';

export const CATEGORIES: AttachmentCategory[] = ['insurance_card', 'identification', 'referral', 'photo', 'other'];
export const TAKEN = 'image/jpeg,image/png,image/webp,application/pdf';
export const MAX_BYTES = 20 * 1024 * 1024;

export function refusal(t: Translate, error: unknown): string {
  if (!(error instanceof Problem)) return problemText(t, error);
  if (error.code === 'upload.refused') {
    const known: Record<string, TextKey> = {
      infected: 'documents.refused.infected',
      pdf_encrypted: 'documents.refused.locked',
      pdf_active: 'documents.refused.active',
      too_many_pixels: 'documents.refused.pixels',
    };
    return t(known[String(error.more.reason)] ?? 'documents.refused.unreadable');
  }
  if (error.code === 'upload.type_not_allowed') return t('documents.refused.type');
  if (error.code === 'upload.not_scanned') return t('documents.refused.not_scanned');
  return problemText(t, error);
}
