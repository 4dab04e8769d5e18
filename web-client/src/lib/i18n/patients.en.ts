// English: the list of patients and a patient’s record.

export const texts = {
  'nav.patients': 'Patients',

  'documents.title': 'Documents',
  'documents.empty': 'No documents yet.',
  'documents.category': 'Kind of document',
  'documents.category.insurance_card': 'Insurance card',
  'documents.category.identification': 'Identification',
  'documents.category.referral': 'Referral letter',
  'documents.category.photo': 'Photo',
  'documents.category.other': 'Other',
  'documents.by_patient': 'the patient',
  'documents.download': 'Download',
  'documents.download_of': 'Download {name}',
  'documents.remove': 'Remove',
  'documents.remove_of': 'Remove {name}',
  'documents.remove.title': 'Remove this document?',
  'documents.remove.what': '{name} will no longer be shown to anyone. It is kept, out of reach, for as long as the record must be kept.',
  'documents.file': 'File',
  'documents.hint': 'JPEG, PNG, WebP or PDF, up to {size}. Where and when a photo was taken is not kept.',
  'documents.choose': 'Choose a file first.',
  'documents.too_large': 'This file is larger than {size}. Choose a smaller one.',
  'documents.send': 'Add document',
  'documents.sent': '{name} is on record.',
  'documents.refused.type': 'Only JPEG, PNG and WebP pictures and PDF documents can be added. Save it as one of these and try again.',
  'documents.refused.infected': 'A virus was found in this document, so it was not kept. Do not send it to anybody else.',
  'documents.refused.locked': 'This PDF is protected by a password or by rights. Save it without protection and try again.',
  'documents.refused.active': 'This PDF has scripts or other files in it. Print it into a new PDF and add that.',
  'documents.refused.pixels': 'This picture has too many pixels. Save it in a lower resolution and try again.',
  'documents.refused.unreadable': 'This document can’t be read as what it says it is. Open it, save it again and try once more.',
  'documents.refused.not_scanned': 'Documents can’t be checked for viruses right now, so none is taken. Try again in a few minutes.',
} as const;

export type Key = keyof typeof texts;
