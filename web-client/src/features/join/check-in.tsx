// Check-in, one question per page: who you are, where you are, and that you agree.

import { useEffect, useId, useRef, useState, type FormEvent } from 'react';
import { get, Problem } from '../../lib/api/client';
import type { ConsentText, Location } from '../../lib/api/types';
import { useText, type TextKey } from '../../lib/i18n/text';
import { Button, ErrorText, Failed, Loading, Notice, problemText, SelectField, TextField } from '../../lib/ui';
import { birthDate } from './birth-date';
import type { Join } from './join';
import css from './join.module.css';
import { PatientPage, type Clinic } from './page';
import { REGIONS } from './regions';

interface StepProps { join: Join; clinic: Clinic }

export function IdentityStep({ join, clinic }: StepProps) {
  const { t } = useText();
  const [month, setMonth] = useState('');
  const [day, setDay] = useState('');
  const [year, setYear] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const id = useId();
  const first = useRef<HTMLDivElement>(null);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const read = birthDate(month, day, year, new Date());
    if ('wrong' in read) {
      fail(t(`join.identity.error.${read.wrong}`));
      return;
    }
    setBusy(true);
    setError('');
    const problem = await join.confirm(read.date).catch((unexpected: unknown) => unexpected);
    setBusy(false);
    if (problem) fail(mismatch(problem));
  };
  const fail = (text: string) => {
    setError(text);
    first.current?.querySelector('input')?.focus();
  };
  const mismatch = (problem: unknown): string => {
    if (!(problem instanceof Problem) || problem.code !== 'join.date_of_birth_mismatch') return problemText(t, problem);
    const tries = Number(problem.more.tries_left ?? 0);
    return t(tries === 1 ? 'join.identity.error.mismatch_one' : 'join.identity.error.mismatch', { tries });
  };

  const part = (label: TextKey, value: string, set: (text: string) => void, length: number) => (
    <TextField label={t(label)} value={value} onChange={(event) => set(event.target.value.replace(/\D/g, '').slice(0, length))} inputMode="numeric" autoComplete={length === 4 ? 'bday-year' : 'off'} aria-invalid={error ? true : undefined} aria-describedby={error ? `${id}-error` : undefined} />
  );
  return (
    <PatientPage clinic={clinic} step={[1, 4]} title={t('join.identity.title')} lead={t('join.identity.intro')} next={t('join.identity.next')}>
      <form onSubmit={(event) => void submit(event)} className={css.form} noValidate>
        <fieldset aria-describedby={`${id}-hint`}>
          <legend className="visually-hidden">{t('join.identity.legend')}</legend>
          <p id={`${id}-hint`} className={css.hint}>{t('join.identity.hint')}</p>
          <div ref={first} className={css.date}>
            {part('join.identity.month', month, setMonth, 2)}
            {part('join.identity.day', day, setDay, 2)}
            {part('join.identity.year', year, setYear, 4)}
          </div>
        </fieldset>
        {error && <ErrorText id={`${id}-error`}>{error}</ErrorText>}
        <Button type="submit" kind="primary" large wide busy={busy}>{t('continue')}</Button>
      </form>
    </PatientPage>
  );
}

export function LocationStep({ join, clinic }: StepProps) {
  const { t } = useText();
  const [where, setWhere] = useState<Location>({ region: '', callback_phone: '', emergency_address: '' });
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const form = useRef<HTMLFormElement>(null);
  const wrong = {
    region: where.region === '',
    callback_phone: where.callback_phone.replace(/\D/g, '').length < 10,
    emergency_address: where.emergency_address.trim().length < 5,
  };

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    const first = (Object.keys(wrong) as (keyof Location)[]).find((name) => wrong[name]);
    if (first) {
      form.current?.querySelector<HTMLElement>(`[name=${first}]`)?.focus();
      return;
    }
    setBusy(true);
    setError(null);
    await join.locate({ region: where.region, callback_phone: where.callback_phone.trim(), emergency_address: where.emergency_address.trim() }).catch(setError);
    setBusy(false);
  };
  const set = (name: keyof Location) => (event: { target: { value: string } }) => setWhere({ ...where, [name]: event.target.value });
  return (
    <PatientPage clinic={clinic} step={[2, 4]} title={t('join.location.title')} lead={t('join.location.intro')} next={t('join.location.next')}>
      <form ref={form} onSubmit={(event) => void submit(event)} className={css.form} noValidate>
        <SelectField name="region" label={t('join.location.region')} value={where.region} onChange={set('region')} error={tried && wrong.region && t('join.location.error.region')} autoComplete="address-level1">
          <option value="">{t('join.location.region.choose')}</option>
          {REGIONS.map(([code, name]) => <option key={code} value={code}>{name}</option>)}
        </SelectField>
        <TextField name="callback_phone" type="tel" autoComplete="tel" label={t('join.location.phone')} hint={t('join.location.phone.hint')} value={where.callback_phone} onChange={set('callback_phone')} error={tried && wrong.callback_phone && t('join.location.error.phone')} />
        <TextField name="emergency_address" autoComplete="street-address" label={t('join.location.address')} hint={t('join.location.address.hint')} value={where.emergency_address} onChange={set('emergency_address')} error={tried && wrong.emergency_address && t('join.location.error.address')} />
        {Boolean(error) && <ErrorText>{problemText(t, error)}</ErrorText>}
        <Button type="submit" kind="primary" large wide busy={busy}>{t('continue')}</Button>
      </form>
    </PatientPage>
  );
}

export function ConsentStep({ join, clinic }: StepProps) {
  const { t, lang } = useText();
  const [text, setText] = useState<ConsentText | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [changed, setChanged] = useState(false);
  const [busy, setBusy] = useState(false);
  const [round, setRound] = useState(0);
  const kind = join.as === 'guest' ? 'guest_consent' : 'telehealth_consent';

  useEffect(() => {
    let gone = false;
    get<ConsentText>(`/texts/${kind}?lang=${lang}`).then((found) => {
      if (!gone) {
        setText(found);
        setError(null);
      }
    }, (problem: unknown) => !gone && setError(problem));
    return () => {
      gone = true;
    };
  }, [kind, lang, round]);

  const agree = async () => {
    if (!text) return;
    setBusy(true);
    setError(null);
    try {
      await join.agree(text.version, text.lang);
    } catch (problem) {
      if (problem instanceof Problem && problem.code === 'consent.text_changed') {
        setChanged(true);
        setRound(round + 1);
      } else setError(problem);
    }
    setBusy(false);
  };
  return (
    <PatientPage clinic={clinic} step={join.as === 'guest' ? [2, 3] : [3, 4]} title={t('join.consent.title')} next={t('join.consent.next')}>
      {changed && <Notice tone="warn" live>{t('join.consent.changed')}</Notice>}
      {!text && !error && <Loading />}
      {!text && Boolean(error) && <Failed error={error} onRetry={() => setRound(round + 1)} />}
      {text && (
        <>
          <article className={css.consent} lang={text.lang}>
            <h2>{text.title}</h2>
            <Paragraphs text={text.body} />
            <p className={css.hint}>{t('join.consent.version', { version: text.version })}</p>
          </article>
          <p>{t('join.consent.questions')}</p>
          {Boolean(error) && <ErrorText>{problemText(t, error)}</ErrorText>}
          <Button kind="primary" large wide busy={busy} onClick={() => void agree()}>{t('join.consent.agree')}</Button>
        </>
      )}
    </PatientPage>
  );
}

function Paragraphs({ text }: { text: string }) {
  return <>{text.split(/\n\s*\n/).map((part, n) => <p key={n}>{part}</p>)}</>;
}
