// The chat panel: what was said, what is still on its way, and a box to write in.

import { useEffect, useRef, useState, type FormEvent, type KeyboardEvent } from 'react';
import type { Call } from '../../call/call';
import { MAX_CHAT_CHARS } from '../../call/wire';
import { clock } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, TextArea } from '../../lib/ui';
import { useWatched } from '../../lib/ui/now';
import css from './chat.module.css';

export function Chat({ call, onClose }: { call: Call; onClose?: (() => void) | undefined }) {
  const { t, lang } = useText();
  const { chat, room } = useWatched(call.state);
  const [text, setText] = useState('');
  const end = useRef<HTMLDivElement>(null);
  const nameOf = (id: string) => (id === room?.you ? t('you') : room?.participants.find((one) => one.participant === id)?.name ?? '');
  const tooLong = [...text].length > MAX_CHAT_CHARS;

  useEffect(() => {
    void end.current?.scrollIntoView({ block: 'nearest' });
  }, [chat.length]);

  const send = (event?: FormEvent) => {
    event?.preventDefault();
    if (!text.trim() || tooLong) return;
    call.chat(text);
    setText('');
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      send();
    }
    if (event.key === 'Escape') onClose?.();
  };

  return (
    <section className={css.chat} aria-label={t('chat.title')}>
      <header className={css.head}>
        <h2>{t('chat.title')}</h2>
        {onClose && <Button kind="quiet" icon="close" aria-label={t('chat.close')} onClick={onClose} />}
      </header>
      {/* Not a live region: what comes in is announced by the stage, whether the chat is open or not. */}
      <div className={css.scroll} role="group" aria-label={t('chat.title')} tabIndex={0}>
        {chat.length === 0 && <p className={css.empty}>{t('chat.empty')}</p>}
        <ol className={css.lines}>
        {chat.map((entry) => (
          <li key={entry.id} className={css.line} data-mine={entry.from === room?.you || undefined}>
            <p className={css.who}>
              <span>{nameOf(entry.from)}</span>
              {entry.at !== null && <time dateTime={new Date(entry.at).toISOString()}>{clock(lang, entry.at)}</time>}
              {entry.at === null && !entry.failed && <span>{t('chat.sending')}</span>}
            </p>
            <p className={css.text}>{entry.text}</p>
            {entry.failed && <p className={css.failed}>{t('chat.failed')} <Button kind="quiet" onClick={() => call.chatAgain(entry.id)}>{t('chat.again')}</Button></p>}
          </li>
        ))}
        </ol>
        <div ref={end} />
      </div>
      <form className={css.form} onSubmit={send}>
        <TextArea label={t('chat.label')} labelHidden placeholder={t('chat.label')} rows={1} value={text} onChange={(event) => setText(event.target.value)} onKeyDown={onKeyDown} error={tooLong && t('chat.too_long', { max: MAX_CHAT_CHARS })} className={css.box} />
        <Button type="submit" kind="primary" icon="send" aria-label={t('chat.send')} />
      </form>
    </section>
  );
}
