// The clinic's staff: who there is, in which role, and who can sign in. Administrators change it, compliance reads it.

import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { get } from '../../lib/api/client';
import type { Me, StaffList, StaffMember } from '../../lib/api/types';
import { moment } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, Empty, Failed, Loading, Notice, Pill } from '../../lib/ui';
import { useTitle } from '../../lib/ui/now';
import { InviteDialog } from './invite';
import { MemberDialog } from './member';
import css from './staff.module.css';

export function StaffPage({ me }: { me: Me }) {
  const { t, lang } = useText();
  const [open, setOpen] = useState<'invite' | StaffMember['id'] | null>(null);
  const [invited, setInvited] = useState('');
  useTitle(`${t('staff.title')} · ${me.clinic.name}`);
  const { data, error, refetch } = useQuery({ queryKey: ['staff'], queryFn: () => get<StaffList>('/staff') });
  const manages = me.role === 'clinic_admin';
  const member = data?.items.find((item) => item.id === open);
  return (
    <div className={css.page}>
      <header className={css.header}>
        <div><h1>{t('staff.title')}</h1><p className={css.quiet}>{t('staff.intro', { clinic: me.clinic.name })}</p></div>
        {manages && <Button kind="primary" onClick={() => { setInvited(''); setOpen('invite'); }}>{t('staff.invite')}</Button>}
      </header>
      {invited && <Notice tone="accent" live>{t('staff.invited', { email: invited })}</Notice>}
      {!data && (error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />)}
      {data && data.items.length === 0 && <Empty icon="person" title={t('staff.empty')} />}
      {data && data.items.length > 0 && (
        <table className={css.table}>
          <thead>
            <tr>
              <th scope="col">{t('staff.name')}</th><th scope="col">{t('staff.role')}</th><th scope="col">{t('staff.state')}</th>
              <th scope="col">{t('staff.factors')}</th><th scope="col">{t('staff.last_sign_in')}</th><th scope="col"><span className="visually-hidden">{t('staff.actions')}</span></th>
            </tr>
          </thead>
          <tbody>
            {data.items.map((item) => (
              <tr key={item.id}>
                <th scope="row"><span className={css.name}>{item.name}</span> <span className={css.quiet}>{item.email}</span></th>
                <td>{t(`role.${item.role}`)}</td>
                <td><State member={item} /></td>
                <td>{item.factors.map((kind) => t(`factor.${kind}`)).join(', ') || '–'}</td>
                <td>{item.last_sign_in_at ? <time dateTime={item.last_sign_in_at}>{moment(lang, item.last_sign_in_at)}</time> : t('staff.never')}</td>
                <td><Button aria-label={t('staff.manage_of', { name: item.name })} onClick={() => setOpen(item.id)}>{t('staff.manage')}</Button></td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {open === 'invite' && <InviteDialog onClose={() => setOpen(null)} onInvited={(email) => { setOpen(null); setInvited(email); }} />}
      {member && <MemberDialog key={member.id} member={member} manages={manages} self={member.id === me.staff_id} onClose={() => setOpen(null)} />}
    </div>
  );
}

export function State({ member }: { member: StaffMember }) {
  const { t, lang } = useText();
  if (member.standing === 'active') return <Pill tone="accent">{t('standing.active')}</Pill>;
  if (member.standing === 'deactivated') return <Pill>{t('standing.deactivated')}</Pill>;
  const { invitation, invitation_expires_at: until } = member;
  if (!invitation) return <Pill tone="warn">{t('standing.invited')}</Pill>;
  return <Pill tone={invitation === 'open' || invitation === 'accepted' ? 'warn' : 'plain'}>{t(`invitation_state.${invitation}`, { date: until ? moment(lang, until) : '' })}</Pill>;
}
