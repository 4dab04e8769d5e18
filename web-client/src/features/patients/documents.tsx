// The documents of a patient's record: the list, sending one, handing it out as a download, taking it off. What a document
// is the server finds out; here only its size and ending are looked at, to spare the wait.

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useId, useRef, useState, type FormEvent } from 'react';
import { Problem, remove, upload } from '../../lib/api/client';
import { reading } from '../../lib/api/refetch';
import type { Attachment, AttachmentCategory } from '../../lib/api/types';
import { moment, size } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog, ErrorText, Failed, Loading, Notice, SelectField, TextField, buttonLook, classes, problemText } from '../../lib/ui';
import { CATEGORIES, MAX_BYTES, refusal, TAKEN } from './document-rules';
import css from './documents.module.css';
import page from './patients.module.css';

export function Documents({ patientId }: { patientId: string }) {
  const { t } = useText();
  const heading = useId();
  const key = ['clinic', 'attachments', patientId];
  const { data, error, refetch } = useQuery({ queryKey: key, queryFn: reading<{ items: Attachment[] }>(`/patients/${patientId}/attachments`) });
  // Whoever may not see documents, or not this patient's, sees no empty frame for them.
  if (error instanceof Problem && (error.status === 403 || error.status === 404)) return null;
  return (
    <section className={classes(page.card, css.documents)} aria-labelledby={heading}>
      <header><h2 id={heading}>{t('documents.title')}</h2></header>
      {!data && (error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />)}
      {data?.items.length === 0 && <p className={css.quiet}>{t('documents.empty')}</p>}
      {data && data.items.length > 0 && (
        <ul className={css.list}>
          {data.items.map((one) => <One key={one.attachment_id} document={one} patientKey={key} />)}
        </ul>
      )}
      {data && <Send patientId={patientId} patientKey={key} />}
    </section>
  );
}

function One({ document, patientKey }: { document: Attachment; patientKey: string[] }) {
  const { t, lang } = useText();
  const [asked, setAsked] = useState(false);
  const queries = useQueryClient();
  const { attachment_id, file_name, category, bytes, uploaded_at, uploaded_by } = document;
  const taking = useMutation({
    mutationFn: () => remove(`/attachments/${attachment_id}`),
    onSuccess: async () => {
      setAsked(false);
      await queries.invalidateQueries({ queryKey: patientKey });
    },
  });
  const by = uploaded_by ?? t('documents.by_patient');
  return (
    <li>
      <div className={css.what}>
        <strong>{file_name}</strong>
        <span className={css.quiet}>{t(`documents.category.${category}`)} · {size(lang, bytes)} · {moment(lang, uploaded_at)} · {by}</span>
      </div>
      <div className={css.actions}>
        <a className={buttonLook()} href={`/api/v1/attachments/${attachment_id}`} download aria-label={t('documents.download_of', { name: file_name })}>{t('documents.download')}</a>
        <Button kind="quiet" onClick={() => setAsked(true)} aria-label={t('documents.remove_of', { name: file_name })}>{t('documents.remove')}</Button>
      </div>
      {asked && (
        <Dialog
          title={t('documents.remove.title')}
          onClose={() => setAsked(false)}
          actions={(
            <>
              <Button onClick={() => setAsked(false)}>{t('cancel')}</Button>
              <Button kind="danger" busy={taking.isPending} onClick={() => taking.mutate()}>{t('documents.remove')}</Button>
            </>
          )}
        >
          <p>{t('documents.remove.what', { name: file_name })}</p>
          {taking.error && <ErrorText>{problemText(t, taking.error)}</ErrorText>}
        </Dialog>
      )}
    </li>
  );
}

function Send({ patientId, patientKey }: { patientId: string; patientKey: string[] }) {
  const { t, lang } = useText();
  const queries = useQueryClient();
  const chosen = useRef<HTMLInputElement>(null);
  const [category, setCategory] = useState<AttachmentCategory>('insurance_card');
  const [wrong, setWrong] = useState<string | null>(null);
  const sending = useMutation({
    mutationFn: (file: File) => upload<{ file_name: string }>(`/patients/${patientId}/attachments?category=${category}`, file),
    onSuccess: async () => {
      if (chosen.current) chosen.current.value = '';
      await queries.invalidateQueries({ queryKey: patientKey });
    },
  });
  const send = (event: FormEvent) => {
    event.preventDefault();
    const file = chosen.current?.files?.[0];
    sending.reset();
    if (!file) return setWrong(t('documents.choose'));
    if (file.size > MAX_BYTES) return setWrong(t('documents.too_large', { size: size(lang, MAX_BYTES) }));
    setWrong(null);
    sending.mutate(file);
  };
  const error = wrong ?? (sending.error ? refusal(t, sending.error) : null);
  return (
    <form className={css.send} onSubmit={send} noValidate>
      <SelectField label={t('documents.category')} value={category} onChange={(event) => setCategory(event.target.value as AttachmentCategory)}>
        {CATEGORIES.map((one) => <option key={one} value={one}>{t(`documents.category.${one}`)}</option>)}
      </SelectField>
      <TextField ref={chosen} type="file" accept={TAKEN} label={t('documents.file')} hint={t('documents.hint', { size: size(lang, MAX_BYTES) })} error={error} />
      <div><Button type="submit" kind="primary" busy={sending.isPending}>{t('documents.send')}</Button></div>
      {sending.isSuccess && <Notice live>{t('documents.sent', { name: sending.data.file_name })}</Notice>}
    </form>
  );
}
