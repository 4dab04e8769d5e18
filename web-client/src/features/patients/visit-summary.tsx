// What one has to know of a patient while talking to them, beside the note: allergies always in view, the rest one tap away.

import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { reading } from '../../lib/api/refetch';
import type { ClinicalLists, Role } from '../../lib/api/types';
import { today } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Icon } from '../../lib/ui';
import { AllergyPill } from './allergy-pill';
import { isCurrent, lineOfClinical, titleOf, type ListName } from './lists';
import css from './patients.module.css';
import { readsClinical } from './rights';

const SHOWN: readonly ListName[] = ['medication', 'condition'];

export function VisitSummary({ patientId, role }: { patientId: string; role: Role }) {
  const { t } = useText();
  const { data } = useQuery({ queryKey: ['patient', patientId, 'clinical'], queryFn: reading<ClinicalLists>(`/patients/${patientId}/clinical`), enabled: readsClinical(role) });
  const now = today();
  const lines = data?.items.map(lineOfClinical).filter((line) => isCurrent(line, now)) ?? [];
  // A new tab: leaving this page would leave the visit.
  const link = <Link to="/app/patients/$patientId" params={{ patientId }} target="_blank" className={css.back}>{t('visit_summary.open')} <Icon name="right" /></Link>;
  if (!data) return <div className={css.beside}>{link}</div>;
  return (
    <div className={css.beside}>
      <p className={css.flags}><AllergyPill known={data.allergies.known} lines={lines} /></p>
      <details className={css.folded}>
        <summary>{t('visit_summary.title')}</summary>
        <dl className={css.details}>
          {SHOWN.map((list) => (
            <div key={list}>
              <dt>{t(`list.${list}`)}</dt>
              <dd>{lines.filter((line) => line.list === list).map((line) => [titleOf(line), line.values.dose, line.values.frequency].filter(Boolean).join(', ')).join('\n') || t('chart.empty')}</dd>
            </div>
          ))}
        </dl>
      </details>
      {link}
    </div>
  );
}
