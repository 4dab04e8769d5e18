// What was agreed to, refused and withdrawn.

import type { PortalConsent } from '../../lib/api/types';
import { moment } from '../../lib/i18n/format';
import { useText, type TextKey } from '../../lib/i18n/text';
import { Empty, Pill, type Tone } from '../../lib/ui';
import { Inner, Shown, type PageProps } from './page';
import css from './portal.module.css';
import { useReading } from './reading';

const TONE: Record<string, Tone> = { accepted: 'accent', refused: 'plain', withdrawn: 'warn' };

export function Consents({ clinic, person, timeZone }: PageProps) {
  const { t, lang } = useText();
  const reading = useReading<{ items: PortalConsent[] }>(`/portal/patients/${person.patient_id}/consents`);
  return (
    <Inner clinic={clinic} person={person} title={t('portal.consents.title')} lead={t('portal.consents.lead')}>
      <Shown reading={reading}>{({ items }) => items.length === 0 ? <Empty icon="check" title={t('portal.consents.none')} /> : (
        <ul className={css.visits}>
          {items.map((given) => (
            <li key={`${given.kind} ${given.at}`} className={css.card}>
              <h2>{given.title ?? t(`portal.consents.${given.kind}` as TextKey)}</h2>
              <p><Pill tone={TONE[given.decision] ?? 'plain'}>{t(`portal.consents.${given.decision}` as TextKey)}</Pill></p>
              <p className={css.quiet}>{moment(lang, given.at, timeZone)} · {t('portal.consents.version', { version: given.version })}</p>
            </li>
          ))}
        </ul>
      )}</Shown>
    </Inner>
  );
}
