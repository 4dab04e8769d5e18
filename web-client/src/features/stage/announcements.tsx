// What changes in the room, said once to screen readers: who came and went, recording, chat, connection.

import { useEffect, useRef, useState } from 'react';
import type { ChatEntry } from '../../call/call';
import type { RoomView } from '../../call/wire';
import { useText, type Translate } from '../../lib/i18n/text';

export function Announcements({ room, chat, broken }: { room: RoomView; chat: ChatEntry[]; broken: boolean }) {
  const { t } = useText();
  const [text, setText] = useState('');
  const last = useRef<{ room: RoomView; chat: number; broken: boolean } | null>(null);
  useEffect(() => {
    const before = last.current;
    last.current = { room, chat: chat.length, broken };
    if (!before) return;
    const news = changes(t, before, { room, chat, broken });
    if (news.length) setText(news.join(' '));
  }, [room, chat, broken, t]);
  return <p className="visually-hidden" aria-live="polite">{text}</p>;
}

function changes(t: Translate, before: { room: RoomView; chat: number; broken: boolean }, now: { room: RoomView; chat: ChatEntry[]; broken: boolean }): string[] {
  const news: string[] = [];
  if (now.broken && !before.broken) news.push(t('visit.reconnecting.me.body'));
  for (const one of now.room.participants) {
    if (one.participant === now.room.you) continue;
    const was = before.room.participants.find((other) => other.participant === one.participant)?.phase.is;
    const is = one.phase.is;
    if (is === was) continue;
    const { name } = one;
    if (is === 'live' && was !== 'interrupted') news.push(t('visit.joined.other', { name }));
    if (is === 'reconnecting') news.push(t('visit.reconnecting.other', { name }));
    if (is === 'interrupted') news.push(t('visit.interrupted.other', { name }));
    if (is === 'left') news.push(t('visit.left.other', { name }));
    if (is === 'waiting') news.push(`${name}: ${t('waiting.state')}`);
  }
  const { recording } = now.room;
  if (recording.is !== before.room.recording.is) {
    if (recording.is === 'on') news.push(t('recording.state'));
    if (recording.is === 'off' && recording.last && recording.last !== 'visit_ended') news.push(t(`recording.off.${recording.last}`));
  }
  for (const entry of now.chat.slice(before.chat)) {
    if (entry.from === now.room.you) continue;
    const name = now.room.participants.find((one) => one.participant === entry.from)?.name ?? '';
    news.push(t('chat.from', { name, text: entry.text }));
  }
  return news;
}
