// The frame of every page that a patient sees before the visit: one thing at a time, what comes next, whom to call.

import { useEffect, useRef, type ReactNode } from 'react';
import { useText } from '../../lib/i18n/text';
import { Icon, LanguageSwitch } from '../../lib/ui';
import { useTitle } from '../../lib/ui/now';
import css from './join.module.css';

export interface Clinic { name: string; phone: string }

/** `step`: which of how many. */
export function PatientPage({ clinic, title, step, lead, children, next, wide }: {
  clinic: Clinic | null; title: string; step?: readonly [number, number]; lead?: ReactNode; children?: ReactNode; next?: ReactNode; wide?: boolean;
}) {
  const { t } = useText();
  const heading = useRef<HTMLHeadingElement>(null);
  useTitle(clinic ? `${title} · ${clinic.name}` : title);
  // A new step is read from its heading on.
  useEffect(() => {
    heading.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [title]);
  return (
    <div className={css.page}>
      <header className={css.header}>
        <p className={css.clinic}>{clinic?.name ?? 'Bedside'}</p>
        <LanguageSwitch />
      </header>
      <main className={css.main} data-wide={wide || undefined}>
        {step !== undefined && (
          <div className={css.progress}>
            <p>{t('step', { n: step[0], of: step[1] })}</p>
            <div aria-hidden="true">{Array.from({ length: step[1] }, (_, n) => <i key={n} data-done={n < step[0] || undefined} />)}</div>
          </div>
        )}
        <h1 ref={heading} tabIndex={-1}>{title}</h1>
        {lead && <p className={css.lead}>{lead}</p>}
        {children}
        {next && (
          <aside className={css.next} aria-label={t('join.next')}>
            <Icon name="right" />
            <p>{next}</p>
          </aside>
        )}
      </main>
      <footer className={css.footer}>{clinic?.phone && <HelpLine clinic={clinic} />}</footer>
    </div>
  );
}

export function HelpLine({ clinic }: { clinic: Clinic }) {
  const { t } = useText();
  return (
    <p className={css.help}>
      <Icon name="phone" />
      <span>{t('help.call', { clinic: clinic.name })} <a href={`tel:${clinic.phone.replace(/[^\d+]/g, '')}`}>{clinic.phone}</a></span>
    </p>
  );
}
