// Who acts for the patient, and who is assigned to them.

import { useQuery } from '@tanstack/react-query';
import { reading } from '../../lib/api/refetch';
import type { CareTeam, Guardians } from '../../lib/api/types';
import { useText } from '../../lib/i18n/text';
import { Failed, Loading } from '../../lib/ui';
import { useNow } from '../../lib/ui/now';
import { phoneText } from './demographics-text';
import css from './patients.module.css';

export function People({ patientId }: { patientId: string }) {
  const { t } = useText();
  const guardians = useQuery({ queryKey: ['patient', patientId, 'guardians'], queryFn: reading<Guardians>(`/patients/${patientId}/guardians`) });
  const team = useQuery({ queryKey: ['patient', patientId, 'care-team'], queryFn: reading<CareTeam>(`/patients/${patientId}/care-team`) });
  const error = guardians.error ?? team.error;
  const now = useNow(60_000);
  const present = (until: string | null) => !until || Date.parse(until) > now;
  const acting = guardians.data?.items.filter((one) => present(one.until_at)) ?? [];
  const assigned = team.data?.items.filter((one) => present(one.until_at)) ?? [];
  return (
    <section className={css.card} aria-labelledby="people">
      <header><h2 id="people">{t('people.title')}</h2></header>
      {(!guardians.data || !team.data) && (error ? <Failed error={error} onRetry={() => { void guardians.refetch(); void team.refetch(); }} /> : <Loading />)}
      {guardians.data && team.data && acting.length + assigned.length === 0 && <p className={css.quiet}>{t('people.none')}</p>}
      <ul className={css.plain}>
        {acting.map((one) => (
          <li key={one.guardianship_id}>
            <span><strong>{one.name}</strong> <span className={css.quiet}>{t(`people.${one.relationship}`)}, {t(`people.scope.${one.scope}`)}</span></span>
            {one.phone && <a href={`tel:${one.phone}`}>{phoneText(one.phone)}</a>}
          </li>
        ))}
        {assigned.map((one) => <li key={one.assignment_id}><span><strong>{one.name}</strong> <span className={css.quiet}>{t('people.assigned', { role: t(`role.${one.role}`) })}</span></span></li>)}
      </ul>
    </section>
  );
}
