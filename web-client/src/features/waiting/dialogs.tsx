// What staff do with one who waits, each in a dialog of its own.

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState, type ReactNode } from 'react';
import { post, Problem } from '../../lib/api/client';
import { reading } from '../../lib/api/refetch';
import type { Declined, QueueItem, QueueProvider, WaitingMessages } from '../../lib/api/types';
import { moment } from '../../lib/i18n/format';
import { useText, type TextKey, type Translate } from '../../lib/i18n/text';
import { Button, Dialog, ErrorText, Loading, Notice, problemText, SelectField, TextArea } from '../../lib/ui';
import { CopyLink } from '../today/link-dialog';
import { deed, type Deed } from './queue';
import { MAX_WORDS, Words } from './words';

export type Asked = 'hold' | 'move' | 'decline' | 'chat';

interface DialogProps { item: QueueItem; name: string; onClose: () => void }

/** Of two who act at the same moment the second is told, in words of its own. */
export function deedProblem(t: Translate, error: unknown): string {
  if (error instanceof Problem && error.code === 'queue.changed_elsewhere') return t('queue.changed');
  if (error instanceof Problem && error.code === 'queue.not_now') return t('queue.not_now');
  return problemText(t, error);
}

/** Does it, and says what went wrong. What is shown is asked for anew either way. */
export function useDeed() {
  const { t } = useText();
  const queries = useQueryClient();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const run = async <T,>(item: Pick<QueueItem, 'visit_id' | 'version'>, name: Deed, body?: unknown): Promise<T | null> => {
    setBusy(true);
    setError('');
    try {
      return await deed<T>(item.visit_id, name, item.version, body);
    } catch (problem) {
      setError(deedProblem(t, problem));
      return null;
    } finally {
      setBusy(false);
      void queries.invalidateQueries({ queryKey: ['clinic'] });
    }
  };
  return { busy, error, run };
}

/** Words to the patient, and then the deed. */
function WordsDialog({ title, intro, label, suggestions, confirm, danger, busy, error, onClose, onSay }: {
  title: string; intro: string; label: string; suggestions: TextKey[]; confirm: string; danger?: boolean; busy: boolean; error: string; onClose: () => void; onSay: (words: string) => void;
}) {
  const { t } = useText();
  const [words, setWords] = useState('');
  const [tried, setTried] = useState(false);
  const wrong = !words.trim() ? t('queue.words.missing') : [...words].length > MAX_WORDS ? t('words.too_long', { max: MAX_WORDS }) : '';
  return (
    <Dialog
      title={title}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t('cancel')}</Button>
          <Button kind={danger ? 'danger' : 'primary'} busy={busy} onClick={() => (wrong ? setTried(true) : onSay(words.trim()))}>{confirm}</Button>
        </>
      }
    >
      <p>{intro}</p>
      <TextArea label={label} rows={3} value={words} onChange={(event) => setWords(event.target.value)} error={tried && wrong} />
      <div role="group" aria-label={t('queue.words.suggestions')}>
        {suggestions.map((key) => <Button key={key} kind="quiet" onClick={() => setWords(t(key))}>{t(key)}</Button>)}
      </div>
      {error && <ErrorText>{error}</ErrorText>}
    </Dialog>
  );
}

export function HoldDialog({ item, name, onClose }: DialogProps) {
  const { t } = useText();
  const { busy, error, run } = useDeed();
  const hold = async (words: string) => {
    if (await run(item, 'hold', { words })) onClose();
  };
  return <WordsDialog title={t('queue.hold.title', { name })} intro={t('queue.hold.intro')} label={t('queue.hold.label')} suggestions={['queue.hold.one', 'queue.hold.two']} confirm={t('queue.hold')} busy={busy} error={error} onClose={onClose} onSay={(words) => void hold(words)} />;
}

export function DeclineDialog({ item, name, onClose }: DialogProps) {
  const { t, lang } = useText();
  const { busy, error, run } = useDeed();
  const [declined, setDeclined] = useState<Declined | null>(null);
  if (declined) {
    return (
      <Dialog title={t('queue.declined.title', { name })} onClose={onClose} actions={<Button kind="primary" onClick={onClose}>{t('close')}</Button>}>
        <p>{t('queue.declined.body')}</p>
        <CopyLink link={declined.link} valid={t('link.valid_until', { expires: moment(lang, declined.expires_at) })} />
      </Dialog>
    );
  }
  const decline = async (words: string) => setDeclined(await run<Declined>(item, 'decline', { words }));
  return <WordsDialog title={t('queue.decline.title', { name })} intro={t('queue.decline.intro')} label={t('queue.decline.label')} suggestions={['queue.decline.one', 'queue.decline.two']} confirm={t('queue.decline')} danger busy={busy} error={error} onClose={onClose} onSay={(words) => void decline(words)} />;
}

export function MoveDialog({ item, name, providers, onClose }: DialogProps & { providers: QueueProvider[] }) {
  const { t } = useText();
  const { busy, error, run } = useDeed();
  const [to, setTo] = useState('');
  const [tried, setTried] = useState(false);
  const others = providers.filter((one) => one.staff_id !== item.provider_id);
  const move = async () => {
    setTried(true);
    if (to && (await run(item, 'move', { provider_id: to }))) onClose();
  };
  return (
    <Dialog
      title={t('queue.move.title', { name })}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t('cancel')}</Button>
          {others.length > 0 && <Button kind="primary" busy={busy} onClick={() => void move()}>{t('queue.move')}</Button>}
        </>
      }
    >
      <p>{others.length ? t('queue.move.intro') : t('queue.move.nobody')}</p>
      {others.length > 0 && (
        <SelectField label={t('queue.move.label')} value={to} onChange={(event) => setTo(event.target.value)} error={tried && !to && t('book.provider.missing')}>
          <option value="">{t('book.provider.choose')}</option>
          {others.map((one) => <option key={one.staff_id} value={one.staff_id}>{one.name}</option>)}
        </SelectField>
      )}
      {error && <ErrorText>{error}</ErrorText>}
    </Dialog>
  );
}

export function ChatDialog({ item, name, onClose }: DialogProps) {
  const { t } = useText();
  const queries = useQueryClient();
  const path = `/visits/${item.visit_id}/waiting-chat`;
  const { data, error } = useQuery({ queryKey: ['clinic', 'waiting-chat', item.visit_id], queryFn: reading<WaitingMessages>(path) });
  const unread = data ? item.unread : 0;
  useEffect(() => {
    if (unread) void post<undefined>(`${path}/seen`, undefined, { background: true }).catch(() => undefined);
  }, [unread, path]);
  const send = async (id: string, words: string) => {
    await post<undefined>(path, { message_id: id, words });
    await queries.invalidateQueries({ queryKey: ['clinic', 'waiting-chat', item.visit_id] });
  };
  return (
    <Dialog title={t('queue.chat.title', { name })} onClose={onClose} actions={<Button onClick={onClose}>{t('close')}</Button>}>
      <p>{t('queue.chat.intro')}</p>
      {!data && !error && <Loading />}
      {Boolean(error) && <ErrorText>{problemText(t, error)}</ErrorText>}
      {data && <Words side="staff" patient={name} label={t('queue.chat.label', { name })} messages={data.items} onSend={send} />}
    </Dialog>
  );
}

/** A button that does something at once, and what went wrong with it. */
export function DeedButton({ item, name, of, children }: { item: QueueItem; name: Deed; of: string; children: ReactNode }) {
  const { busy, error, run } = useDeed();
  const { t } = useText();
  return (
    <>
      <Button kind="quiet" busy={busy} onClick={() => void run(item, name)} aria-description={of}>{children}</Button>
      {error && <Notice tone="warn" live title={t('queue.not_done')}>{error}</Notice>}
    </>
  );
}
