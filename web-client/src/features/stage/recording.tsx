// Recording as everyone in the room meets it: the question, the sign that it runs, the way to say no later.

import { useEffect, useState } from 'react';
import type { Call } from '../../call/call';
import type { RoomView, StopReason } from '../../call/wire';
import { get } from '../../lib/api/client';
import type { ConsentText } from '../../lib/api/types';
import { clock } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog, Failed, Loading } from '../../lib/ui';
import { useWatched } from '../../lib/ui/now';
import css from './stage.module.css';

const SHOWN_MS = 10_000;

/** The question to someone who has not answered yet. Only an answer closes it; the picture stays in view above. */
export function RecordingQuestion({ call, room }: { call: Call; room: RoomView }) {
  const { recording } = room;
  const asked = (recording.is === 'awaiting_consent' || recording.is === 'paused') && recording.missing.includes(room.you);
  return asked ? <Question key={recording.recording} call={call} recording={recording.recording} version={recording.text_version} /> : null;
}

function Question({ call, recording, version }: { call: Call; recording: string; version: string }) {
  const { t, lang } = useText();
  const { refusal } = useWatched(call.state);
  const [text, setText] = useState<ConsentText | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  /** Which refusal was the latest when the answer was given; one that came after it opens the question again. */
  const [answered, setAnswered] = useState<number | null>(null);

  useEffect(() => {
    let gone = false;
    get<ConsentText>(`/texts/recording_consent?lang=${lang}`, { background: true }).then((found) => {
      if (gone) return;
      setText(found);
      setError(null);
    }, (problem: unknown) => !gone && setError(problem));
    return () => {
      gone = true;
    };
  }, [lang, round]);

  if (answered !== null && (refusal?.n ?? 0) <= answered) return null;
  const answer = (allow: boolean) => {
    setAnswered(refusal?.n ?? 0);
    call.answerRecording(recording, allow, text?.version ?? version);
  };
  return (
    <Dialog
      sheet
      title={text?.title ?? t('recording.ask.title')}
      actions={
        <>
          <Button onClick={() => answer(false)}>{t('recording.deny')}</Button>
          <Button kind="primary" disabled={!text} onClick={() => answer(true)}>{t('recording.allow')}</Button>
        </>
      }
    >
      {error ? <Failed error={error} onRetry={() => setRound(round + 1)} /> : text ? <p className={css.consent}>{text.body}</p> : <Loading>{t('recording.text.loading')}</Loading>}
    </Dialog>
  );
}

/** The strip at the top of the stage: that it records, since when, and how to withdraw. */
export function RecordingSign({ call, room }: { call: Call; room: RoomView }) {
  const { t, lang } = useText();
  const { recording } = room;
  const over = useRecentlyOver(room);
  const nameOf = (id: string) => room.participants.find((one) => one.participant === id)?.name ?? '';
  const withdraw = (id: string) => <Button kind="stage" onClick={() => call.answerRecording(id, false, '')}>{t('recording.deny')}</Button>;
  switch (recording.is) {
    case 'on':
      return (
        <div className={css.strip}>
          <p className={css.sign}><i className={css.dot} aria-hidden="true" /><strong>{t('recording.state')}</strong> <span>{t('recording.since', { time: clock(lang, recording.since) })}</span></p>
          {withdraw(recording.recording)}
        </div>
      );
    case 'awaiting_consent':
      return recording.missing.includes(room.you) ? null : <div className={css.strip}><p>{t('recording.awaiting')}</p>{withdraw(recording.recording)}</div>;
    case 'starting':
      return <div className={css.strip}><p>{t('recording.starting')}</p>{withdraw(recording.recording)}</div>;
    case 'paused':
      return <div className={css.strip}><p>{t('recording.paused', { names: recording.missing.map(nameOf).join(', ') })}</p>{withdraw(recording.recording)}</div>;
    case 'stopping':
      return <div className={css.strip}><p>{t('recording.stopping')}</p></div>;
    default:
      return over && over !== 'visit_ended' ? <div className={css.strip}><p>{t(`recording.off.${over}`)}</p></div> : null;
  }
}

/** Why the recording has just stopped, for a few seconds. */
function useRecentlyOver({ recording }: RoomView): StopReason | null {
  const [seen, setSeen] = useState(recording.is);
  const [over, setOver] = useState<StopReason | null>(null);
  if (seen !== recording.is) {
    setSeen(recording.is);
    setOver(recording.is === 'off' ? recording.last ?? null : null);
  }
  useEffect(() => {
    if (!over) return;
    const timer = setTimeout(() => setOver(null), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [over]);
  return over;
}
