// Above the lines: who runs late, what is said to all who wait, and how this device tells of arrivals.

import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { post, put, remove } from '../../lib/api/client';
import type { Me, QueueBoard, QueueProvider } from '../../lib/api/types';
import { clock } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog, ErrorText, Notice, problemText, SelectField, TextArea } from '../../lib/ui';
import { useWatched } from '../../lib/ui/now';
import { arrivalNotice, arrivalSound, setArrivalNotice, setArrivalSound } from './arrivals';
import css from './bar.module.css';
import { MAX_WORDS } from './words';

const DELAYS = [0, 10, 15, 20, 30, 45, 60, 90] as const;

export function QueueBar({ board, me }: { board: QueueBoard; me: Me }) {
  const { t, lang } = useText();
  const queries = useQueryClient();
  const [asked, setAsked] = useState<'late' | 'announce' | null>(null);
  const [error, setError] = useState('');
  const nameOf = (id: string | null) => board.providers.find((one) => one.staff_id === id)?.name ?? '';
  const mine = me.role === 'provider' ? board.providers.filter((one) => one.staff_id === me.staff_id) : board.providers;
  const end = async (id: string) => {
    setError('');
    await remove(`/announcements/${id}`).catch((problem: unknown) => setError(problemText(t, problem)));
    void queries.invalidateQueries({ queryKey: ['clinic', 'queue'] });
  };
  return (
    <section className={css.bar} aria-label={t('queue.tools')}>
      <div className={css.tools}>
        <Button icon="clock" onClick={() => setAsked('late')}>{t('queue.late')}</Button>
        <Button icon="chat" onClick={() => setAsked('announce')}>{t('queue.announce')}</Button>
        <Arrivals />
      </div>
      {mine.filter((one) => one.late_min !== null).map((one) => (
        <Notice key={one.staff_id} tone="warn">{t(one.said ? 'queue.late.said' : 'queue.late.learned', { name: one.name, minutes: one.late_min ?? 0 })}</Notice>
      ))}
      {board.announcements.map((one) => (
        <Notice key={one.announcement_id} title={t(one.provider_id ? 'queue.announced.for' : 'queue.announced', { name: nameOf(one.provider_id), time: clock(lang, one.at) })} action={<Button kind="quiet" onClick={() => void end(one.announcement_id)} aria-description={one.words}>{t('queue.announce.end')}</Button>}>
          {one.words}
        </Notice>
      ))}
      {error && <ErrorText>{error}</ErrorText>}
      {asked === 'late' && <LateDialog providers={mine} onClose={() => setAsked(null)} />}
      {asked === 'announce' && <AnnounceDialog providers={board.providers} onClose={() => setAsked(null)} />}
    </section>
  );
}

function Arrivals() {
  const { t } = useText();
  const sound = useWatched(arrivalSound);
  const notice = useWatched(arrivalNotice);
  const [blocked, setBlocked] = useState(false);
  return (
    <fieldset className={css.arrivals}>
      <legend className="visually-hidden">{t('queue.arrivals')}</legend>
      <label><input type="checkbox" checked={sound} onChange={(event) => setArrivalSound(event.target.checked)} /> {t('queue.arrivals.sound')}</label>
      <label><input type="checkbox" checked={notice} onChange={(event) => void setArrivalNotice(event.target.checked).then((allowed) => setBlocked(!allowed))} /> {t('queue.arrivals.notice')}</label>
      {blocked && <p role="status">{t('queue.arrivals.blocked')}</p>}
    </fieldset>
  );
}

function LateDialog({ providers, onClose }: { providers: QueueProvider[]; onClose: () => void }) {
  const { t } = useText();
  const queries = useQueryClient();
  const [who, setWho] = useState(providers.length === 1 ? (providers[0]?.staff_id ?? '') : '');
  const [minutes, setMinutes] = useState('15');
  const [busy, setBusy] = useState(false);
  const [tried, setTried] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const say = async () => {
    setTried(true);
    if (!who) return;
    setBusy(true);
    try {
      await put<undefined>(`/staff/${who}/delay`, { minutes: Number(minutes) });
      void queries.invalidateQueries({ queryKey: ['clinic', 'queue'] });
      onClose();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return (
    <Dialog title={t('queue.late')} onClose={onClose} actions={<><Button onClick={onClose}>{t('cancel')}</Button><Button kind="primary" busy={busy} onClick={() => void say()}>{t('queue.late.say')}</Button></>}>
      <p>{t('queue.late.intro')}</p>
      <SelectField label={t('book.provider')} value={who} onChange={(event) => setWho(event.target.value)} error={tried && !who && t('book.provider.missing')}>
        <option value="">{t('book.provider.choose')}</option>
        {providers.map((one) => <option key={one.staff_id} value={one.staff_id}>{one.name}</option>)}
      </SelectField>
      <SelectField label={t('queue.late.by')} value={minutes} onChange={(event) => setMinutes(event.target.value)}>
        {DELAYS.map((n) => <option key={n} value={n}>{n === 0 ? t('queue.late.none') : t('queue.late.minutes', { minutes: n })}</option>)}
      </SelectField>
      {Boolean(error) && <ErrorText>{problemText(t, error)}</ErrorText>}
    </Dialog>
  );
}

function AnnounceDialog({ providers, onClose }: { providers: QueueProvider[]; onClose: () => void }) {
  const { t } = useText();
  const queries = useQueryClient();
  const [to, setTo] = useState('');
  const [words, setWords] = useState('');
  const [busy, setBusy] = useState(false);
  const [tried, setTried] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const wrong = !words.trim() ? t('queue.words.missing') : [...words].length > MAX_WORDS ? t('words.too_long', { max: MAX_WORDS }) : '';
  const say = async () => {
    setTried(true);
    if (wrong) return;
    setBusy(true);
    try {
      await post('/announcements', { provider_id: to || null, words: words.trim() });
      void queries.invalidateQueries({ queryKey: ['clinic', 'queue'] });
      onClose();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return (
    <Dialog title={t('queue.announce')} onClose={onClose} actions={<><Button onClick={onClose}>{t('cancel')}</Button><Button kind="primary" busy={busy} onClick={() => void say()}>{t('queue.announce.say')}</Button></>}>
      <p>{t('queue.announce.intro')}</p>
      <SelectField label={t('queue.announce.to')} value={to} onChange={(event) => setTo(event.target.value)}>
        <option value="">{t('queue.announce.all')}</option>
        {providers.map((one) => <option key={one.staff_id} value={one.staff_id}>{t('queue.announce.those', { name: one.name })}</option>)}
      </SelectField>
      <TextArea label={t('queue.announce.words')} rows={3} value={words} onChange={(event) => setWords(event.target.value)} error={tried && wrong} />
      {Boolean(error) && <ErrorText>{problemText(t, error)}</ErrorText>}
    </Dialog>
  );
}
