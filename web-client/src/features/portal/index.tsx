// The portal: sign in by a link from a mail, then one's own record, one thing per page. Small on purpose: it is read on phones.
// No router and no query cache; a page is a path and reads what it shows.

import { useEffect, useState } from 'react';
import { get, onSignedOut, post, Problem } from '../../lib/api/client';
import type { PortalMe, Site } from '../../lib/api/types';
import { useText } from '../../lib/i18n/text';
import { Button, Failed, Loading } from '../../lib/ui';
import { PatientPage, type Clinic } from '../join/page';
import { Consents } from './consents';
import { Details } from './details';
import { Documents } from './documents';
import { ConfirmEmail } from './email';
import { Export } from './export';
import { History } from './history';
import { Home } from './home';
import { Note } from './note';
import { go, usePlace } from './place';
import { Security } from './security';
import { AskForLink, UseLink } from './sign-in';

type Who = { is: 'asking' } | { is: 'nobody' } | { is: 'failed'; error: unknown } | { is: 'in'; me: PortalMe };

export function PortalSite() {
  const { t } = useText();
  const place = usePlace();
  const [who, setWho] = useState<Who>({ is: 'asking' });
  const [site, setSite] = useState<Site | null>(null);
  const [whose, setWhose] = useState<string | null>(null);
  const [round, setRound] = useState(0);

  useEffect(() => {
    onSignedOut(() => setWho({ is: 'nobody' }));
    get<Site>('/site').then(setSite, () => undefined);
  }, []);
  useEffect(() => {
    get<PortalMe>('/portal/me').then(
      (me) => setWho({ is: 'in', me }),
      (error: unknown) => setWho(error instanceof Problem && error.status === 401 ? { is: 'nobody' } : { is: 'failed', error }),
    );
  }, [round]);

  const nobodys: Clinic = { name: site?.name ?? 'Bedside', phone: site?.support_phone ?? '' };
  const enter = () => {
    go('/', true);
    setWho({ is: 'asking' });
    setRound(round + 1);
  };
  if (place === '/email') return <ConfirmEmail clinic={nobodys} />;
  if (place === '/in') return <UseLink clinic={nobodys} onIn={enter} />;
  if (who.is === 'asking') return <PatientPage clinic={nobodys} title={t('portal.title')}><Loading /></PatientPage>;
  if (who.is === 'failed') return <PatientPage clinic={nobodys} title={t('portal.title')}><Failed error={who.error} onRetry={() => setRound(round + 1)} /></PatientPage>;
  if (who.is === 'nobody') return <AskForLink clinic={nobodys} expired={place !== '/'} />;

  const { me } = who;
  const clinic: Clinic = { name: me.clinic_name, phone: me.clinic_phone };
  const person = me.people.find((one) => one.patient_id === whose) ?? me.people[0];
  if (!person) return <PatientPage clinic={clinic} title={t('portal.nobody.title')} lead={t('portal.nobody.body')}><SignOut onOut={() => setWho({ is: 'nobody' })} /></PatientPage>;

  const page = { clinic, person, timeZone: me.clinic_time_zone };
  const visit = /^\/visits\/([0-9a-f-]{36})$/.exec(place)?.[1];
  if (visit) return <Note {...page} visit={visit} />;
  switch (place) {
    case '/details':
      return <Details key={person.patient_id} {...page} />;
    case '/documents':
      return <Documents key={person.patient_id} {...page} />;
    case '/export':
      return <Export key={person.patient_id} {...page} />;
    case '/consents':
      return <Consents {...page} />;
    case '/history':
      return <History {...page} />;
    case '/security':
      return <Security {...page} onOut={() => setWho({ is: 'nobody' })} />;
    default:
      return <Home {...page} people={me.people} onChoose={setWhose} signOut={<SignOut onOut={() => setWho({ is: 'nobody' })} />} />;
  }
}

function SignOut({ onOut }: { onOut: () => void }) {
  const { t } = useText();
  const leave = async () => {
    await post<undefined>('/portal/sign-out').catch(() => undefined);
    go('/', true);
    onOut();
  };
  return <Button large wide onClick={() => void leave()}>{t('portal.sign_out')}</Button>;
}
