// The side of those who come by a link, patients and guests: check-in, device check, waiting room, visit, end. Small on purpose: it is the first thing
// that a phone on a bad network loads. No router, no query cache; the steps are a view model (join.ts).

import { useEffect } from 'react';
import { useText } from '../../lib/i18n/text';
import { Button, Failed, Loading } from '../../lib/ui';
import { useWatched } from '../../lib/ui/now';
import { ConsentStep, IdentityStep, LocationStep } from './check-in';
import { NameStep } from './guest';
import { InCall } from './in-call';
import type { Join } from './join';
import { PatientPage, type Clinic } from './page';

const FINISH_AFTER_MS = 120_000;

export function PatientVisit({ join }: { join: Join }) {
  const { t } = useText();
  const { step, site, clinic: opened, who } = useWatched(join.state);
  const clinic: Clinic = { name: opened?.clinic_name ?? site?.name ?? 'Bedside', phone: opened?.clinic_phone ?? site?.support_phone ?? '' };
  switch (step.is) {
    case 'opening':
      return <PatientPage clinic={clinic} title={t('join.opening')}><Loading /></PatientPage>;
    case 'failed':
      return <PatientPage clinic={clinic} title={t('join.opening')}><Failed error={step.error} onRetry={() => void join.open()} /></PatientPage>;
    case 'unusable':
      return <PatientPage clinic={clinic} title={t('join.unusable.title')} lead={t('join.unusable.body')}><p>{t('join.unusable.help')}</p></PatientPage>;
    case 'identity':
      return <IdentityStep join={join} clinic={clinic} />;
    case 'name':
      return <NameStep join={join} clinic={clinic} page={step.page} />;
    case 'locked':
      return <PatientPage clinic={clinic} title={t('join.identity.locked.title')} lead={t('join.identity.locked.body')} />;
    case 'location':
      return <LocationStep join={join} clinic={clinic} />;
    case 'consent':
      return <ConsentStep join={join} clinic={clinic} />;
    case 'call':
      return who && <InCall call={step.call} who={who} steps={join.as === 'guest' ? 3 : 4} clinic={clinic} straightIn={step.straightIn} onEnter={() => join.joinWaitingRoom()} onLeave={() => join.leave()} />;
    case 'left':
      return <Left join={join} clinic={clinic} />;
    case 'declined':
      return <PatientPage clinic={clinic} title={t('declined.title')} lead={step.words} next={t('declined.next')}><p>{t('declined.body')}</p></PatientPage>;
    case 'over':
      return <Over why={step.why} join={join} clinic={clinic} />;
  }
}

/** A slip of the finger can be undone; after two minutes, or at once by a button, the session on this device ends. */
function Left({ join, clinic }: { join: Join; clinic: Clinic }) {
  const { t } = useText();
  useEffect(() => {
    const timer = setTimeout(() => void join.finish(), FINISH_AFTER_MS);
    return () => clearTimeout(timer);
  }, [join]);
  return (
    <PatientPage clinic={clinic} title={t('left.title')} lead={t('left.body')} next={t('ended.next')}>
      <Button kind="primary" large wide onClick={() => join.again()}>{t('left.again')}</Button>
      <Button large wide onClick={() => void join.finish()}>{t('left.done')}</Button>
    </PatientPage>
  );
}

function Over({ why, join, clinic }: { why: 'done' | 'ended' | 'no_show' | 'replaced' | 'revoked' | 'not_allowed' | 'room_full'; join: Join; clinic: Clinic }) {
  const { t } = useText();
  switch (why) {
    case 'done':
      return <PatientPage clinic={clinic} title={t('left.title')} lead={t('ended.body')} next={t('ended.next')} />;
    case 'ended':
      return <PatientPage clinic={clinic} title={t('ended.title')} lead={t('ended.body')} next={t('ended.next')} />;
    case 'no_show':
      return <PatientPage clinic={clinic} title={t('no_show.title')} lead={t('no_show.body')} />;
    case 'replaced':
      return (
        <PatientPage clinic={clinic} title={t('ended.replaced.title')} lead={t('ended.replaced.body')}>
          <Button kind="primary" large wide onClick={() => join.again()}>{t('ended.replaced.again')}</Button>
        </PatientPage>
      );
    case 'room_full':
      return (
        <PatientPage clinic={clinic} title={t('ended.room_full.title')} lead={t('ended.room_full.body')}>
          <Button kind="primary" large wide onClick={() => join.again()}>{t('try_again')}</Button>
        </PatientPage>
      );
    case 'revoked':
      return <PatientPage clinic={clinic} title={t('ended.revoked.title')} lead={t('ended.revoked.body')} />;
    case 'not_allowed':
      return <PatientPage clinic={clinic} title={t('ended.not_allowed.title')} lead={t('ended.not_allowed.body')} />;
  }
}
