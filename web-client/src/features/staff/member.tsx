// One member of staff: invitation, role, access, sessions, sign-ins. What ends access is said before it is done.

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { get, post, put, remove } from '../../lib/api/client';
import type { Role, SessionList, StaffMember } from '../../lib/api/types';
import { useText, type TextKey } from '../../lib/i18n/text';
import { Button, Dialog, ErrorText, Failed, Loading, Notice, SelectField, TextField } from '../../lib/ui';
import { SessionItems } from '../account/sessions';
import { SignIns } from '../account/sign-ins';
import { useSubmit } from '../session/submit';
import { ROLES } from './invite';
import { State } from './staff';
import css from './staff.module.css';

export function MemberDialog({ member, manages, self, onClose }: { member: StaffMember; manages: boolean; self: boolean; onClose: () => void }) {
  const { t } = useText();
  const queries = useQueryClient();
  const [done, setDone] = useState<TextKey | null>(null);
  const { busy, error, run } = useSubmit({ 'staff.last_admin': 'member.last_admin', 'staff.changed': 'member.changed', 'staff.not_invited': 'member.changed' });
  const act = (work: () => Promise<unknown>, said: TextKey) => {
    setDone(null);
    void run(null, async () => {
      await work();
      setDone(said);
      await queries.invalidateQueries({ queryKey: ['staff'] });
      await queries.invalidateQueries({ queryKey: ['account'] });
    });
  };
  const path = `/staff/${member.id}`;
  return (
    <Dialog title={member.name} onClose={onClose} actions={<Button onClick={onClose}>{t('close')}</Button>}>
      <p className={css.quiet}>{member.email} · {t(`role.${member.role}`)} <State member={member} /></p>
      {done && <Notice tone="accent" live>{t(done, { name: member.name })}</Notice>}
      {error && <ErrorText>{error}</ErrorText>}
      {manages && member.standing === 'invited' && (
        <div className={css.row}>
          <Button busy={busy} onClick={() => act(() => post(`${path}/invitation`), 'member.resent')}>{t('member.resend')}</Button>
          {member.invitation !== 'revoked' && <Button busy={busy} onClick={() => act(() => remove(`${path}/invitation`), 'member.revoked')}>{t('member.revoke')}</Button>}
        </div>
      )}
      {manages && member.standing !== 'deactivated' && <RoleForm member={member} busy={busy} onSave={(role) => act(() => put(`${path}/role`, { role }), 'member.role.saved')} />}
      {manages && member.standing === 'active' && (
        <div className={css.act}>
          <p>{t('member.deactivate.about')}</p>
          <Button kind="danger" busy={busy} onClick={() => act(() => post(`${path}/deactivate`), 'member.deactivated')}>{t('member.deactivate')}</Button>
        </div>
      )}
      {manages && !self && member.standing === 'active' && <ResetForm busy={busy} onReset={(reason) => act(() => post(`${path}/reset-factors`, { reason }), 'member.reset.done')} />}
      {manages && member.standing === 'deactivated' && (
        <div className={css.act}>
          <p>{t('member.reactivate.about')}</p>
          <Button busy={busy} onClick={() => act(() => post(`${path}/reactivate`), 'member.reactivated')}>{t('member.reactivate')}</Button>
        </div>
      )}
      {manages && member.standing === 'active' && <SessionsOf path={path} busy={busy} onEnd={() => act(() => remove(`${path}/sessions`), 'member.sessions.ended')} />}
      <section className={css.part}>
        <h3>{t('member.sign_ins')}</h3>
        <SignIns path={`${path}/sign-ins`} />
      </section>
    </Dialog>
  );
}

function RoleForm({ member, busy, onSave }: { member: StaffMember; busy: boolean; onSave: (role: Role) => void }) {
  const { t } = useText();
  const [role, setRole] = useState<Role>(member.role);
  return (
    <div className={css.act}>
      <div className={css.row}>
        <SelectField label={t('member.role')} hint={t('member.role.about')} value={role} onChange={(event) => setRole(event.target.value as Role)}>
          {ROLES.map((one) => <option key={one} value={one}>{t(`role.${one}`)}</option>)}
        </SelectField>
        <Button busy={busy} disabled={role === member.role} onClick={() => onSave(role)}>{t('member.role.save')}</Button>
      </div>
    </div>
  );
}

function ResetForm({ busy, onReset }: { busy: boolean; onReset: (reason: string) => void }) {
  const { t } = useText();
  const [reason, setReason] = useState('');
  const [error, setError] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const missing = reason.trim().length < 5;
    setError(missing ? t('member.reset.reason.missing') : '');
    if (!missing) onReset(reason.trim());
  };
  return (
    <form className={css.act} onSubmit={submit} noValidate>
      <p>{t('member.reset.about')}</p>
      <TextField label={t('member.reset.reason')} hint={t('member.reset.reason.hint')} value={reason} maxLength={500} autoComplete="off" onChange={(event) => setReason(event.target.value)} error={error} />
      <Button type="submit" kind="danger" busy={busy}>{t('member.reset')}</Button>
    </form>
  );
}

function SessionsOf({ path, busy, onEnd }: { path: string; busy: boolean; onEnd: () => void }) {
  const { t } = useText();
  const { data, error, refetch } = useQuery({ queryKey: ['account', 'sessions', path], queryFn: () => get<SessionList>(`${path}/sessions`) });
  return (
    <section className={css.part}>
      <h3>{t('member.sessions')}</h3>
      {!data && (error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />)}
      {data && data.items.length === 0 && <p className={css.quiet}>{t('member.sessions.none')}</p>}
      {data && data.items.length > 0 && <SessionItems items={data.items} />}
      {data && data.items.length > 0 && <Button busy={busy} onClick={onEnd}>{t('member.sessions.end')}</Button>}
    </section>
  );
}
