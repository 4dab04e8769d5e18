// How long a record is kept, legal holds, and destroying a record whose time is over. One patient at a time, found by what
// is known of them; nothing is destroyed before the record number was typed again.

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { get, post, Problem, put, remove } from '../../lib/api/client';
import type { Me, Page, PatientItem, Retention as Kept } from '../../lib/api/types';
import { calendarDate, exactly } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog, Empty, ErrorText, Failed, Loading, Notice, problemText, TextField } from '../../lib/ui';
import { useTitle } from '../../lib/ui/now';
import css from './retention.module.css';

export function Retention({ me }: { me: Me }) {
  const { t } = useText();
  const [text, setText] = useState('');
  const [asked, setAsked] = useState('');
  const [chosen, setChosen] = useState<PatientItem | null>(null);
  useTitle(`${t('retention.title')} · ${me.clinic.name}`);
  const found = useQuery({
    queryKey: ['retention-search', asked],
    // A record number has digits in it, a name has none.
    queryFn: ({ signal }) => post<Page<PatientItem>>('/patients/search', /\d/.test(asked) ? { mrn: asked } : { name: asked }, { signal }),
    enabled: asked !== '',
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setChosen(null);
    setAsked(text.trim());
  };
  const items = found.data?.items ?? [];
  return (
    <div className={css.page}>
      <header><h1>{t('retention.title')}</h1><p className={css.quiet}>{t('retention.intro')}</p></header>
      <form role="search" onSubmit={submit} className={css.search}>
        <TextField label={t('retention.find')} value={text} onChange={(event) => setText(event.target.value)} spellCheck={false} autoComplete="off" maxLength={200} />
        <Button type="submit" kind="primary" icon="search" busy={found.isFetching}>{t('retention.search')}</Button>
      </form>
      {found.error && <Failed error={found.error} onRetry={() => void found.refetch()} />}
      {found.data && items.length === 0 && <Empty icon="search" title={t('retention.none')}>{t('retention.none.body')}</Empty>}
      {items.length > 0 && !chosen && (
        <ul className={css.found} aria-label={t('retention.found')}>
          {items.map((one) => <Found key={one.patient_id} patient={one} onChoose={() => setChosen(one)} />)}
        </ul>
      )}
      {chosen && <Record key={chosen.patient_id} patient={chosen} onGone={() => { setChosen(null); setAsked(''); setText(''); }} />}
    </div>
  );
}

function Found({ patient, onChoose }: { patient: PatientItem; onChoose: () => void }) {
  const { lang } = useText();
  return (
    <li>
      <button type="button" onClick={onChoose} className={css.choice}>
        <span className={css.name}>{patient.name}</span>
        <span className={css.quiet}>{calendarDate(lang, patient.date_of_birth)} · {patient.mrn}</span>
      </button>
    </li>
  );
}

function Record({ patient, onGone }: { patient: PatientItem; onGone: () => void }) {
  const { t, lang } = useText();
  const queries = useQueryClient();
  const path = `/patients/${patient.patient_id}`;
  const key = ['retention', patient.patient_id];
  const { data, error, refetch } = useQuery({ queryKey: key, queryFn: ({ signal }) => get<Kept>(`${path}/retention`, { signal }) });
  const [dialog, setDialog] = useState<'hold' | 'destroy' | null>(null);
  const lift = useMutation({ mutationFn: () => remove(`${path}/legal-hold`), onSuccess: () => queries.invalidateQueries({ queryKey: key }) });
  if (error) return <Failed error={error} onRetry={() => void refetch()} />;
  if (!data) return <Loading />;
  return (
    <section aria-label={data.name} className={css.record}>
      <h2>{data.name} <span className={css.quiet}>{data.mrn}</span></h2>
      <dl>
        <div><dt>{t('retention.last')}</dt><dd>{exactly(lang, data.last_activity)}</dd></div>
        <div><dt>{t('retention.until')}</dt><dd>{exactly(lang, data.kept_until)} ({t('retention.years', { n: data.years })})</dd></div>
      </dl>
      {data.hold && (
        <Notice tone="warn" title={t('hold.stands')} action={<Button busy={lift.isPending} onClick={() => lift.mutate()}>{t('hold.lift')}</Button>}>
          <p>{data.hold.reason}</p>
          <p>{t('hold.by', { name: data.hold.placed_by, when: exactly(lang, data.hold.placed_at) })}</p>
        </Notice>
      )}
      {lift.error && <ErrorText>{problemText(t, lift.error)}</ErrorText>}
      <p className={css.quiet}>{data.may_be_destroyed ? t('destroy.may') : data.hold ? t('destroy.held') : t('destroy.early')}</p>
      <div className={css.buttons}>
        {!data.hold && <Button onClick={() => setDialog('hold')}>{t('hold.place')}</Button>}
        {data.may_be_destroyed && <Button kind="danger" onClick={() => setDialog('destroy')}>{t('destroy.open')}</Button>}
      </div>
      {dialog === 'hold' && <PlaceHold path={path} onClose={() => setDialog(null)} onPlaced={() => { setDialog(null); void queries.invalidateQueries({ queryKey: key }); }} />}
      {dialog === 'destroy' && <Destroy path={path} name={data.name} onClose={() => setDialog(null)} onDone={onGone} />}
    </section>
  );
}

function PlaceHold({ path, onClose, onPlaced }: { path: string; onClose: () => void; onPlaced: () => void }) {
  const { t } = useText();
  const [reason, setReason] = useState('');
  const [tried, setTried] = useState(false);
  const place = useMutation({ mutationFn: () => put<undefined>(`${path}/legal-hold`, { reason: reason.trim() }), onSuccess: onPlaced });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (reason.trim()) place.mutate();
  };
  return (
    <Dialog title={t('hold.place')} onClose={onClose} actions={<><Button onClick={onClose}>{t('cancel')}</Button><Button type="submit" form="place-hold" kind="primary" busy={place.isPending}>{t('hold.place')}</Button></>}>
      <form id="place-hold" onSubmit={submit}>
        <TextField label={t('hold.reason')} hint={t('hold.reason.hint')} value={reason} onChange={(event) => setReason(event.target.value)} error={tried && !reason.trim() && t('hold.reason.missing')} maxLength={500} autoFocus />
        {place.error && <ErrorText>{problemText(t, place.error)}</ErrorText>}
      </form>
    </Dialog>
  );
}

function Destroy({ path, name, onClose, onDone }: { path: string; name: string; onClose: () => void; onDone: () => void }) {
  const { t } = useText();
  const [mrn, setMrn] = useState('');
  const destroy = useMutation({ mutationFn: () => post<undefined>(`${path}/destroy`, { mrn: mrn.trim() }), onSuccess: onDone });
  const other = destroy.error instanceof Problem && destroy.error.code === 'patient.other_number';
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (mrn.trim()) destroy.mutate();
  };
  return (
    <Dialog title={t('destroy.title', { name })} onClose={onClose} actions={<><Button onClick={onClose}>{t('cancel')}</Button><Button type="submit" form="destroy" kind="danger" busy={destroy.isPending} disabled={!mrn.trim()}>{t('destroy.do')}</Button></>}>
      <form id="destroy" onSubmit={submit}>
        <p>{t('destroy.what')}</p>
        <TextField label={t('destroy.mrn')} value={mrn} onChange={(event) => setMrn(event.target.value)} error={other && t('destroy.mrn.other')} spellCheck={false} autoComplete="off" maxLength={200} autoFocus />
        {destroy.error && !other && <ErrorText>{problemText(t, destroy.error)}</ErrorText>}
      </form>
    </Dialog>
  );
}
