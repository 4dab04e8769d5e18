// Booking a visit. What the server refuses (the provider is taken at that time) is said at the field that can mend it.

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState, type FormEvent } from 'react';
import { ComboBox, Input, Label, ListBox, ListBoxItem, Popover, Text } from 'react-aria-components';
import { get, post, Problem } from '../../lib/api/client';
import type { Booked, Booking as BookingBody, Me, Page, PatientItem, ProviderItem } from '../../lib/api/types';
import { atWallClock, calendarDate, moment, zoneName } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog, ErrorText, Notice, problemText, SelectField, TextField } from '../../lib/ui';
import ui from '../../lib/ui/ui.module.css';
import css from './dialog.module.css';
import { CopyLink } from './link-dialog';

const LENGTHS = [15, 20, 30, 45, 60];
const KINDS: BookingBody['visit_type'][] = ['video', 'phone', 'in_person'];

export function Booking({ me, date: startDate, onClose }: { me: Me; date: string; onClose: () => void }) {
  const { t, lang } = useText();
  const queries = useQueryClient();
  const zone = me.clinic.time_zone;
  const providers = useQuery({ queryKey: ['providers'], queryFn: () => get<{ items: ProviderItem[] }>('/providers') });
  const [patient, setPatient] = useState<PatientItem | null>(null);
  const [provider, setProvider] = useState(me.role === 'provider' ? me.staff_id : '');
  const [date, setDate] = useState(startDate);
  const [time, setTime] = useState('');
  const [minutes, setMinutes] = useState(20);
  const [kind, setKind] = useState<BookingBody['visit_type']>('video');
  const [reason, setReason] = useState('');
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [overlap, setOverlap] = useState('');
  const [error, setError] = useState('');
  const [done, setDone] = useState<Booked | null>(null);
  // One key per set of values: pressing twice books once, changing something books anew.
  const key = useRef({ of: '', is: '' });

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    setOverlap('');
    setError('');
    if (!patient || !provider || !date || !time || !reason.trim()) return;
    const starts = atWallClock(date, time, zone);
    const body: BookingBody = {
      patient_id: patient.patient_id, provider_id: provider, visit_type: kind, reason: reason.trim(),
      starts_at: starts.toISOString(), ends_at: new Date(starts.getTime() + minutes * 60_000).toISOString(),
    };
    const of = JSON.stringify(body);
    if (key.current.of !== of) key.current = { of, is: crypto.randomUUID() };
    setBusy(true);
    try {
      setDone(await post<Booked>('/appointments', body, { idempotencyKey: key.current.is }));
      void queries.invalidateQueries({ queryKey: ['clinic'] });
    } catch (problem) {
      const name = providers.data?.items.find((one) => one.staff_id === provider)?.name ?? '';
      if (problem instanceof Problem && problem.code === 'appointment.overlap') setOverlap(t('book.overlap', { provider: name }));
      else setError(problemText(t, problem));
    }
    setBusy(false);
  };

  if (done && patient) {
    return (
      <Dialog title={t('book.done')} onClose={onClose} actions={<Button onClick={onClose}>{t('close')}</Button>}>
        <p>{t('book.done.body', { name: patient.name, time: moment(lang, atWallClock(date, time, zone), zone) })}</p>
        <CopyLink link={done.link} valid={t('link.valid_until', { expires: moment(lang, done.link_expires_at) })} />
      </Dialog>
    );
  }
  return (
    <Dialog
      title={t('book.title')}
      onClose={onClose}
      actions={<><Button onClick={onClose}>{t('cancel')}</Button><Button type="submit" form="booking" kind="primary" busy={busy}>{t('book.submit')}</Button></>}
    >
      <form id="booking" onSubmit={(event) => void submit(event)} noValidate className={css.form}>
        <PatientSearch patient={patient} onChoose={setPatient} error={tried && !patient ? t('book.patient.missing') : ''} />
        <SelectField label={t('book.provider')} value={provider} onChange={(event) => setProvider(event.target.value)} error={tried && !provider && t('book.provider.missing')}>
          <option value="">{t('book.provider.choose')}</option>
          {providers.data?.items.map((one) => <option key={one.staff_id} value={one.staff_id}>{one.name}</option>)}
        </SelectField>
        <div className={css.pair}>
          <TextField type="date" label={t('book.date')} value={date} onChange={(event) => setDate(event.target.value)} />
          <TextField type="time" label={t('book.start')} value={time} onChange={(event) => setTime(event.target.value)} aria-invalid={overlap ? true : undefined} />
        </div>
        {overlap && <ErrorText>{overlap}</ErrorText>}
        {tried && (!date || !time) && <ErrorText>{t('book.time.missing')}</ErrorText>}
        <p className={ui.hint}>{t('book.zone', { zone: zoneName(lang, zone) })}</p>
        <div className={css.pair}>
          <SelectField label={t('book.minutes')} value={minutes} onChange={(event) => setMinutes(Number(event.target.value))}>
            {LENGTHS.map((n) => <option key={n} value={n}>{t('book.minutes.of', { n })}</option>)}
          </SelectField>
          <SelectField label={t('book.type')} value={kind} onChange={(event) => setKind(event.target.value as BookingBody['visit_type'])}>
            {KINDS.map((one) => <option key={one} value={one}>{t(`book.type.${one}`)}</option>)}
          </SelectField>
        </div>
        <TextField label={t('book.reason')} hint={t('book.reason.hint')} value={reason} onChange={(event) => setReason(event.target.value)} error={tried && !reason.trim() && t('book.reason.missing')} maxLength={500} />
        {error && <ErrorText>{error}</ErrorText>}
        {providers.error && <Notice tone="warn">{problemText(t, providers.error)}</Notice>}
      </form>
    </Dialog>
  );
}

function PatientSearch({ patient, onChoose, error }: { patient: PatientItem | null; onChoose: (patient: PatientItem | null) => void; error: string }) {
  const { t, lang } = useText();
  const [text, setText] = useState('');
  const asked = useDebounced(text.trim(), 250);
  const [box, setBox] = useState<HTMLDivElement | null>(null);
  const found = useQuery({
    queryKey: ['patients', asked],
    queryFn: ({ signal }) => post<Page<PatientItem>>('/patients/search', { name: asked }, { signal }),
    enabled: asked.length >= 2 && asked !== patient?.name,
    staleTime: 30_000,
  });
  const items = found.data?.items ?? (patient ? [patient] : []);
  return (
    <div ref={setBox} className={css.combo}>
      <ComboBox
        items={items} inputValue={text} onInputChange={setText} allowsEmptyCollection menuTrigger="input"
        value={patient?.patient_id ?? null} isInvalid={Boolean(error)}
        onChange={(id) => {
          const chosen = items.find((one) => one.patient_id === id) ?? null;
          onChoose(chosen);
          if (chosen) setText(chosen.name);
        }}
        className={ui.field}
      >
        <Label className={ui.label}>{t('book.patient')}</Label>
        <Text slot="description" className={ui.hint}>{t('book.patient.hint')}</Text>
        <Input className={ui.input} autoComplete="off" autoFocus />
        {error && <ErrorText>{error}</ErrorText>}
        {/* Inside the dialog: what is portalled to the body lies under a modal dialog and can't be reached. */}
        {box && (
          <Popover UNSTABLE_portalContainer={box} className={css.popover}>
            <ListBox className={css.list} renderEmptyState={() => <p className={css.none}>{asked.length < 2 ? t('book.patient.type') : found.isFetching ? t('loading') : found.error ? problemText(t, found.error) : t('book.patient.none')}</p>}>
              {(one: PatientItem) => (
                <ListBoxItem id={one.patient_id} textValue={one.name} className={css.option}>
                  <span>{one.name}</span> <span className={css.born}>{calendarDate(lang, one.date_of_birth)} · {one.mrn}</span>
                </ListBoxItem>
              )}
            </ListBox>
          </Popover>
        )}
      </ComboBox>
    </div>
  );
}

function useDebounced(value: string, ms: number): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
