// The documents of the record: what is there, taking one out, sending one to the clinic.

import { useRef, useState, type FormEvent } from 'react';
import { upload } from '../../lib/api/client';
import type { Attachment, AttachmentCategory } from '../../lib/api/types';
import { moment, size } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, buttonLook, Notice, SelectField, TextField } from '../../lib/ui';
import { CATEGORIES, MAX_BYTES, refusal, TAKEN } from '../patients/document-rules';
import { Inner, Shown, type PageProps } from './page';
import css from './portal.module.css';
import { useReading } from './reading';

export function Documents({ clinic, person, timeZone }: PageProps) {
  const { t } = useText();
  const path = `/portal/patients/${person.patient_id}/attachments`;
  const reading = useReading<{ items: Attachment[] }>(path);
  return (
    <Inner clinic={clinic} person={person} title={t('portal.documents.title')} lead={t('portal.documents.lead')}>
      <Shown reading={reading}>{({ items }) => <List items={items} patient={person.patient_id} timeZone={timeZone} />}</Shown>
      <section aria-labelledby="send" className={css.section}>
        <h2 id="send">{t('portal.documents.send')}</h2>
        <Send path={path} onSent={reading.again} />
      </section>
      <p>{t('portal.documents.wrong', { clinic: clinic.name })}</p>
    </Inner>
  );
}

function List({ items, patient, timeZone }: { items: Attachment[]; patient: string; timeZone: string }) {
  const { t, lang } = useText();
  if (items.length === 0) return <p className={css.quiet}>{t('documents.empty')}</p>;
  return (
    <ul className={css.visits}>
      {items.map((one) => (
        <li key={one.attachment_id} className={css.card}>
          <h3 className={css.named}>{one.file_name}</h3>
          <p className={css.quiet}>{t(`documents.category.${one.category}`)} · {size(lang, one.bytes)}</p>
          <p className={css.quiet}>{t('portal.documents.by', { time: moment(lang, one.uploaded_at, timeZone), name: one.uploaded_by ?? t('portal.documents.by_you') })}</p>
          <a className={buttonLook()} href={`/api/v1/portal/attachments/${one.attachment_id}?patient=${patient}`} download aria-label={t('documents.download_of', { name: one.file_name })}>{t('documents.download')}</a>
        </li>
      ))}
    </ul>
  );
}

function Send({ path, onSent }: { path: string; onSent: () => void }) {
  const { t, lang } = useText();
  const chosen = useRef<HTMLInputElement>(null);
  const [category, setCategory] = useState<AttachmentCategory>('insurance_card');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const [sent, setSent] = useState('');
  const send = async (event: FormEvent) => {
    event.preventDefault();
    const file = chosen.current?.files?.[0];
    setSent('');
    if (!file) return setError(t('documents.choose'));
    if (file.size > MAX_BYTES) return setError(t('documents.too_large', { size: size(lang, MAX_BYTES) }));
    setError('');
    setBusy(true);
    try {
      const kept = await upload<{ file_name: string }>(`${path}?category=${category}`, file);
      if (chosen.current) chosen.current.value = '';
      setSent(kept.file_name);
      onSent();
    } catch (problem) {
      setError(refusal(t, problem));
    }
    setBusy(false);
  };
  return (
    <form className={css.form} onSubmit={(event) => void send(event)} noValidate>
      <SelectField label={t('documents.category')} value={category} onChange={(event) => setCategory(event.target.value as AttachmentCategory)}>
        {CATEGORIES.map((one) => <option key={one} value={one}>{t(`documents.category.${one}`)}</option>)}
      </SelectField>
      <TextField ref={chosen} type="file" accept={TAKEN} label={t('documents.file')} hint={t('documents.hint', { size: size(lang, MAX_BYTES) })} error={error} />
      <Button type="submit" kind="primary" large wide busy={busy}>{t('portal.documents.submit')}</Button>
      {sent && <Notice tone="accent" live>{t('portal.documents.sent', { name: sent })}</Notice>}
    </form>
  );
}
