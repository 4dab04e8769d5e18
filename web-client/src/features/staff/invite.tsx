// Inviting somebody: name, email, role.

import { useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { post } from '../../lib/api/client';
import type { Role } from '../../lib/api/types';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog, ErrorText, SelectField, TextField } from '../../lib/ui';
import { useSubmit } from '../session/submit';
import css from './staff.module.css';

/** Roles that an administrator can give. */
export const ROLES = ['provider', 'nurse', 'front_desk', 'clinic_admin', 'compliance'] as const satisfies readonly Role[];

export function InviteDialog({ onClose, onInvited }: { onClose: () => void; onInvited: (email: string) => void }) {
  const { t } = useText();
  const queries = useQueryClient();
  const [name, setName] = useState('');
  const [email, setEmail] = useState('');
  const [role, setRole] = useState<Role>('provider');
  const { busy, error, run } = useSubmit({ 'staff.email_taken': 'staff.email.taken', 'request.invalid': 'staff.email.bad' });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const wrong = !name.trim() ? t('staff.name.missing') : !email.trim() ? t('staff.email.missing') : null;
    void run(wrong, async () => {
      await post('/staff', { name: name.trim(), email: email.trim(), role });
      await queries.invalidateQueries({ queryKey: ['staff'] });
      onInvited(email.trim());
    });
  };
  return (
    <Dialog
      title={t('staff.invite.title')}
      onClose={onClose}
      actions={<><Button onClick={onClose}>{t('cancel')}</Button><Button type="submit" form="invite" kind="primary" busy={busy}>{t('staff.invite.submit')}</Button></>}
    >
      <p>{t('staff.invite.body')}</p>
      <form id="invite" onSubmit={submit} noValidate className={css.form}>
        <TextField label={t('staff.name')} autoComplete="off" maxLength={100} value={name} onChange={(event) => setName(event.target.value)} />
        <TextField type="email" label={t('staff.email')} autoComplete="off" value={email} onChange={(event) => setEmail(event.target.value)} />
        <SelectField label={t('staff.role')} value={role} onChange={(event) => setRole(event.target.value as Role)}>
          {ROLES.map((one) => <option key={one} value={one}>{t(`role.${one}`)}</option>)}
        </SelectField>
        {error && <ErrorText>{error}</ErrorText>}
      </form>
    </Dialog>
  );
}
