// Adding somebody who acts for the patient, and assigning somebody who cares for them.

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { post } from '../../lib/api/client';
import { reading } from '../../lib/api/refetch';
import type { Assignables, Guardians } from '../../lib/api/types';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog, ErrorText, Failed, Loading, SelectField, TextField } from '../../lib/ui';
import { useSubmit } from '../session/submit';
import css from './patients.module.css';

type Guardian = Guardians['items'][number];
const RELATIONSHIPS: Guardian['relationship'][] = ['parent', 'legal_guardian', 'health_care_proxy', 'other'];
const SCOPES: Guardian['scope'][] = ['record', 'visits'];

export function AddGuardian({ patientId, onClose }: { patientId: string; onClose: () => void }) {
  const { t } = useText();
  const queries = useQueryClient();
  const [name, setName] = useState('');
  const [email, setEmail] = useState('');
  const [phone, setPhone] = useState('');
  const [relationship, setRelationship] = useState<Guardian['relationship']>('parent');
  const [scope, setScope] = useState<Guardian['scope']>('record');
  const { busy, error, run } = useSubmit({});
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(name.trim() ? null : t('people.name.missing'), async () => {
      await post(`/patients/${patientId}/guardians`, { name: name.trim(), email: email.trim() || null, phone: phone.trim() || null, relationship, scope });
      await queries.invalidateQueries({ queryKey: ['patient', patientId] });
      onClose();
    });
  };
  return (
    <Dialog
      title={t('people.add_guardian')}
      onClose={onClose}
      actions={<><Button onClick={onClose}>{t('cancel')}</Button><Button type="submit" form="add-guardian" kind="primary" busy={busy}>{t('people.add')}</Button></>}
    >
      <form id="add-guardian" className={css.form} onSubmit={submit} noValidate>
        <TextField label={t('people.name')} value={name} maxLength={200} autoComplete="off" onChange={(event) => setName(event.target.value)} />
        <SelectField label={t('people.relationship')} value={relationship} onChange={(event) => setRelationship(event.target.value as Guardian['relationship'])}>
          {RELATIONSHIPS.map((one) => <option key={one} value={one}>{t(`people.${one}`)}</option>)}
        </SelectField>
        <SelectField label={t('people.scope')} hint={t('people.scope.hint')} value={scope} onChange={(event) => setScope(event.target.value as Guardian['scope'])}>
          {SCOPES.map((one) => <option key={one} value={one}>{t(`people.scope.${one}`)}</option>)}
        </SelectField>
        <TextField type="email" label={t('people.email')} hint={t('people.email.hint')} value={email} maxLength={200} autoComplete="off" onChange={(event) => setEmail(event.target.value)} />
        <TextField type="tel" label={t('people.phone')} value={phone} maxLength={200} autoComplete="off" onChange={(event) => setPhone(event.target.value)} />
        {error && <ErrorText>{error}</ErrorText>}
      </form>
    </Dialog>
  );
}

export function Assign({ patientId, onClose }: { patientId: string; onClose: () => void }) {
  const { t } = useText();
  const queries = useQueryClient();
  const found = useQuery({ queryKey: ['patient', patientId, 'candidates'], queryFn: reading<Assignables>(`/patients/${patientId}/care-team/candidates`) });
  const [who, setWho] = useState('');
  const { busy, error, run } = useSubmit({ 'care_team.assigned': 'people.assigned.already' });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(who ? null : t('people.who.missing'), async () => {
      await post(`/patients/${patientId}/care-team`, { staff_id: who });
      await queries.invalidateQueries({ queryKey: ['patient', patientId] });
      onClose();
    });
  };
  return (
    <Dialog
      title={t('people.assign')}
      onClose={onClose}
      actions={<><Button onClick={onClose}>{t('cancel')}</Button><Button type="submit" form="assign" kind="primary" busy={busy}>{t('people.add')}</Button></>}
    >
      {!found.data && (found.error ? <Failed error={found.error} onRetry={() => void found.refetch()} /> : <Loading />)}
      {found.data?.items.length === 0 && <p>{t('people.nobody_left')}</p>}
      {found.data && found.data.items.length > 0 && (
        <form id="assign" className={css.form} onSubmit={submit} noValidate>
          <SelectField label={t('people.who')} hint={t('people.who.hint')} value={who} onChange={(event) => setWho(event.target.value)}>
            <option value="">{t('people.who.choose')}</option>
            {found.data.items.map((one) => <option key={one.staff_id} value={one.staff_id}>{one.name}, {t(`role.${one.role}`)}</option>)}
          </SelectField>
          {error && <ErrorText>{error}</ErrorText>}
        </form>
      )}
    </Dialog>
  );
}
