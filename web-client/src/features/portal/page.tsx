// The frame of a page below the portal's home: whose record it is, and the way back.

import type { ReactNode } from 'react';
import type { PortalMe } from '../../lib/api/types';
import { useText } from '../../lib/i18n/text';
import { Failed, Icon, Loading } from '../../lib/ui';
import { PatientPage, type Clinic } from '../join/page';
import { go } from './place';
import css from './portal.module.css';
import type { Reading } from './reading';

export type Person = PortalMe['people'][number];
export interface PageProps { clinic: Clinic; person: Person; timeZone: string }

export function Inner({ clinic, person, title, lead, children }: { clinic: Clinic; person?: Person; title: string; lead?: ReactNode; children: ReactNode }) {
  const { t } = useText();
  return (
    <PatientPage clinic={clinic} title={title} lead={lead}>
      <p className={css.back}><PortalLink to="/"><Icon name="left" />{t('portal.back')}</PortalLink></p>
      {person && !person.oneself && <p className={css.whose}>{t('portal.record_of', { name: person.name })}</p>}
      {children}
    </PatientPage>
  );
}

/** A link within the portal: a real one, that does not load the page anew. */
export function PortalLink({ to, children, className }: { to: string; children: ReactNode; className?: string | undefined }) {
  return (
    <a
      href={to === '/' ? '/portal' : `/portal${to}`}
      className={className}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        go(to);
      }}
    >
      {children}
    </a>
  );
}

/** What was read, or why it was not. */
export function Shown<T>({ reading, children }: { reading: Reading<T>; children: (data: T) => ReactNode }) {
  if (reading.data !== null) return <>{children(reading.data)}</>;
  return reading.error ? <Failed error={reading.error} onRetry={reading.again} /> : <Loading />;
}
