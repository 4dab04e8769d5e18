// Who acts for the patient, and who is assigned to them: the lists, adding somebody, ending it.

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { post } from '../../lib/api/client';
import { reading } from '../../lib/api/refetch';
import type { CareTeam, Guardians, Role } from '../../lib/api/types';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog, ErrorText, Failed, Loading, problemText } from '../../lib/ui';
import { useNow } from '../../lib/ui/now';
import { phoneText } from './demographics-text';
import css from './patients.module.css';
import { AddGuardian, Assign } from './people-dialogs';
import { managesCareTeam, managesGuardians } from './rights';

/** What is to be ended: where it is said, with what, and in whose name. */
interface Ending { path: string; body: Record<string, string>; name: string; kind: 'guardian' | 'assigned' }

export function People({ patientId, role }: { patientId: string; role: Role }) {
  const { t } = useText();
  const path = `/patients/${patientId}`;
  const guardians = useQuery({ queryKey: ['patient', patientId, 'guardians'], queryFn: reading<Guardians>(`${path}/guardians`) });
  const team = useQuery({ queryKey: ['patient', patientId, 'care-team'], queryFn: reading<CareTeam>(`${path}/care-team`) });
  const [open, setOpen] = useState<'guardian' | 'assign' | Ending | null>(null);
  const error = guardians.error ?? team.error;
  const clock = useNow(60_000);
  // What was ended a moment ago is over, though the clock on this page has not moved on yet.
  const now = Math.max(clock, guardians.dataUpdatedAt, team.dataUpdatedAt);
  const present = (until: string | null) => !until || Date.parse(until) > now;
  const acting = guardians.data?.items.filter((one) => present(one.until_at)) ?? [];
  const assigned = team.data?.items.filter((one) => present(one.until_at)) ?? [];
  const close = () => setOpen(null);
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
            {managesGuardians(role) && <Button kind="quiet" aria-label={t('people.end_of', { name: one.name })} onClick={() => setOpen({ path: `${path}/guardians/end`, body: { guardianship_id: one.guardianship_id }, name: one.name, kind: 'guardian' })}>{t('people.end')}</Button>}
          </li>
        ))}
        {assigned.map((one) => (
          <li key={one.assignment_id}>
            <span><strong>{one.name}</strong> <span className={css.quiet}>{t('people.assigned', { role: t(`role.${one.role}`) })}</span></span>
            {managesCareTeam(role) && <Button kind="quiet" aria-label={t('people.end_of', { name: one.name })} onClick={() => setOpen({ path: `${path}/care-team/end`, body: { assignment_id: one.assignment_id }, name: one.name, kind: 'assigned' })}>{t('people.end')}</Button>}
          </li>
        ))}
      </ul>
      {guardians.data && team.data && (managesGuardians(role) || managesCareTeam(role)) && (
        <div className={css.buttons}>
          {managesGuardians(role) && <Button onClick={() => setOpen('guardian')}>{t('people.add_guardian')}</Button>}
          {managesCareTeam(role) && <Button onClick={() => setOpen('assign')}>{t('people.assign')}</Button>}
        </div>
      )}
      {open === 'guardian' && <AddGuardian patientId={patientId} onClose={close} />}
      {open === 'assign' && <Assign patientId={patientId} onClose={close} />}
      {open !== null && typeof open !== 'string' && <End ending={open} patientId={patientId} onClose={close} />}
    </section>
  );
}

function End({ ending, patientId, onClose }: { ending: Ending; patientId: string; onClose: () => void }) {
  const { t } = useText();
  const queries = useQueryClient();
  const end = useMutation({
    mutationFn: () => post<undefined>(ending.path, ending.body),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['patient', patientId] });
      onClose();
    },
  });
  return (
    <Dialog
      title={t('people.end.title', { name: ending.name })}
      onClose={onClose}
      actions={(
        <>
          <Button onClick={onClose}>{t('cancel')}</Button>
          <Button kind="danger" busy={end.isPending} onClick={() => end.mutate()}>{t('people.end')}</Button>
        </>
      )}
    >
      <p>{t(`people.end.${ending.kind}`, { name: ending.name })}</p>
      {end.error && <ErrorText>{problemText(t, end.error)}</ErrorText>}
    </Dialog>
  );
}
