// From the device check to the end of the visit: which page, is what the server says about one's own seat.

import { useEffect, useState } from 'react';
import type { Call } from '../../call/call';
import { chime } from '../../call/sound';
import { useText } from '../../lib/i18n/text';
import { Loading } from '../../lib/ui';
import { useTitle, useWatched } from '../../lib/ui/now';
import { Stage } from '../stage/stage';
import { DeviceCheck } from './device-check';
import type { Who } from './join';
import css from './join.module.css';
import { PatientPage, type Clinic } from './page';
import { WaitingRoom } from './waiting-room';

interface InCallProps { call: Call; who: Who; clinic: Clinic; steps: number; straightIn: boolean; onEnter: () => void; onLeave: () => void }

export function InCall({ call, who, clinic, steps, straightIn, onEnter, onLeave }: InCallProps) {
  const { t } = useText();
  const { room } = useWatched(call.state);
  const phase = room?.participants.find((one) => one.participant === room.you)?.phase;
  const inside = phase !== undefined && phase.is !== 'checking_in' && phase.is !== 'waiting' && phase.is !== 'left';
  const [wasInside, setWasInside] = useState(false);
  if (inside && !wasInside) setWasInside(true);
  useEffect(() => {
    if (wasInside) void chime(call.devices.state.get().speakerId);
  }, [wasInside, call]);

  if (inside) return <Visit call={call} who={who} onLeave={onLeave} />;
  if (phase?.is === 'waiting') return <WaitingRoom call={call} who={who} clinic={clinic} since={phase.since} returned={wasInside} onLeave={onLeave} />;
  if (straightIn && (!phase || phase.is === 'checking_in')) return <PatientPage clinic={clinic} title={t(who.role ? 'join.greeting.guest' : 'join.greeting', { provider: who.provider_name })}><Loading>{t('join.opening')}</Loading></PatientPage>;
  return <DeviceCheck call={call} clinic={clinic} steps={steps} provider={who.provider_name} onEnter={onEnter} />;
}

function Visit({ call, who, onLeave }: { call: Call; who: Who; onLeave: () => void }) {
  const { t } = useText();
  useTitle(t('visit.page_title', { name: who.provider_name }));
  return (
    <main className={css.visit}>
      <h1 className="visually-hidden">{t('visit.page_title', { name: who.provider_name })}</h1>
      <Stage
        call={call}
        onLeave={onLeave}
        alone={<><h2>{t('visit.waiting_for', { name: who.provider_name })}</h2><p>{t('visit.alone.body', { name: who.provider_name })}</p></>}
      />
    </main>
  );
}
