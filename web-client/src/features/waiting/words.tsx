// Lines between one who waits and the clinic, and a box to write in. The patient's page and the staff's show the same.

import { useEffect, useRef, useState, type FormEvent, type KeyboardEvent } from 'react';
import type { WaitingMessages } from '../../lib/api/types';
import { clock } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, ErrorText, problemText, TextArea } from '../../lib/ui';
import css from './words.module.css';

export const MAX_WORDS = 500;

interface WordsProps {
  messages: WaitingMessages['items'];
  /** Whose page this is. */
  side: 'patient' | 'staff';
  /** How the patient is called on the staff's page. */
  patient: string;
  label: string;
  onSend: (id: string, words: string) => Promise<void>;
}

export function Words({ messages, side, patient, label, onSend }: WordsProps) {
  const { t, lang } = useText();
  const [text, setText] = useState('');
  const [id, setId] = useState(() => crypto.randomUUID());
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const scroll = useRef<HTMLDivElement>(null);
  useEffect(() => {
    scroll.current?.scrollTo({ top: scroll.current.scrollHeight });
  }, [messages.length]);
  const tooLong = [...text].length > MAX_WORDS;

  const send = async (event?: FormEvent) => {
    event?.preventDefault();
    if (!text.trim() || tooLong || busy) return;
    setBusy(true);
    setError(null);
    try {
      // What was not answered is sent again under the same id, so that it is written once.
      await onSend(id, text.trim());
      setText('');
      setId(crypto.randomUUID());
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    void send();
  };
  const mine = (byName: string | null) => (byName === null) === (side === 'patient');
  const nameOf = (byName: string | null) => (mine(byName) && side === 'patient' ? t('you') : byName ?? patient);
  return (
    <div className={css.words}>
      {messages.length > 0 && (
        <div ref={scroll} className={css.scroll} role="log" aria-label={label} tabIndex={0}>
          <ol className={css.lines}>
            {messages.map((one) => (
              <li key={one.message_id} className={css.line} data-mine={mine(one.by_name) || undefined}>
                <p className={css.who}><span>{nameOf(one.by_name)}</span><time dateTime={one.at}>{clock(lang, one.at)}</time></p>
                <p className={css.text}>{one.words}</p>
              </li>
            ))}
          </ol>
        </div>
      )}
      <form className={css.form} onSubmit={(event) => void send(event)}>
        <TextArea label={label} rows={2} value={text} onChange={(event) => setText(event.target.value)} onKeyDown={onKeyDown} error={tooLong && t('words.too_long', { max: MAX_WORDS })} />
        {Boolean(error) && <ErrorText>{problemText(t, error)}</ErrorText>}
        <Button type="submit" icon="send" busy={busy}>{t('words.send')}</Button>
      </form>
    </div>
  );
}
