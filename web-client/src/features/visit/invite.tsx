// Who is asked to come into a visit besides its patient: by a link of their own, or from the staff list; and who has come.

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import type { RoomView } from '../../call/wire';
import { post, remove } from '../../lib/api/client';
import { reading } from '../../lib/api/refetch';
import type { GuestItem, Guests, InvitedGuest, Visit } from '../../lib/api/types';
import { moment } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog, ErrorText, Failed, Loading, Notice, Pill, problemText, SelectField, TextField, type Tone } from '../../lib/ui';
import { CopyLink } from '../today/link-dialog';
import css from './invite.module.css';

const ROLES = ['interpreter', 'guardian', 'specialist'] as const satisfies readonly GuestItem['role'][];

export function InviteDialog({ visit, room, onClose }: { visit: Visit; room: RoomView | null; onClose: () => void }) {
  const { t } = useText();
  const queries = useQueryClient();
  const path = `/visits/${visit.visit_id}/guests`;
  const { data: guests, error, refetch } = useQuery({ queryKey: ['clinic', 'guests', visit.visit_id], queryFn: reading<Guests>(path), refetchInterval: 5_000 });
  const [made, setMade] = useState<{ invited: InvitedGuest; name: string; email: string } | null>(null);
  const [failed, setFailed] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const run = async (work: () => Promise<void>) => {
    setBusy(true);
    setFailed(null);
    await work().catch(setFailed);
    setBusy(false);
    await queries.invalidateQueries({ queryKey: ['clinic', 'guests', visit.visit_id] });
  };
  return (
    <Dialog title={t('invite.title')} onClose={onClose} actions={<Button onClick={onClose}>{t('close')}</Button>}>
      <div className={css.body}>
        {made
          ? <Made made={made} onMore={() => setMade(null)} />
          : (
            <ByLink
              busy={busy}
              onInvite={({ role, name, email, lang }) => void run(async () => {
                const invited = await post<InvitedGuest>(path, email ? { role, name, email, lang } : { role, name, lang });
                setMade({ invited, name, email });
              })}
            />
          )}
        {!made && guests && guests.colleagues.length > 0 && (
          <FromStaff
            colleagues={guests.colleagues} busy={busy}
            onAsk={(staff_id) => void run(async () => {
              await post<InvitedGuest>(`${path}/staff`, { staff_id });
            })}
          />
        )}
        {Boolean(failed) && <ErrorText>{problemText(t, failed)}</ErrorText>}
        <section aria-labelledby="invited">
          <h3 id="invited">{t('invite.list')}</h3>
          {!guests && (error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />)}
          {guests && (guests.items.length === 0
            ? <p className={css.quiet}>{t('invite.nobody')}</p>
            : (
              <ul className={css.list}>
                {guests.items.map((guest) => (
                  <Row key={guest.guest_id} guest={guest} room={room} busy={busy} onRevoke={() => void run(() => remove(`${path}/${guest.guest_id}`))} />
                ))}
              </ul>
            ))}
        </section>
      </div>
    </Dialog>
  );
}

interface Invitation { role: GuestItem['role']; name: string; email: string; lang: 'en' | 'es' }

function ByLink({ busy, onInvite }: { busy: boolean; onInvite: (invitation: Invitation) => void }) {
  const { t, lang: own } = useText();
  const [role, setRole] = useState<GuestItem['role']>('interpreter');
  const [name, setName] = useState('');
  const [email, setEmail] = useState('');
  const [lang, setLang] = useState<'en' | 'es'>(own);
  const [tried, setTried] = useState(false);
  const missing = name.trim() === '';
  const odd = email.trim() !== '' && !/^[^\s@]+@[^\s@.][^\s@]*$/.test(email.trim());
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (!missing && !odd) onInvite({ role, name: name.trim(), email: email.trim(), lang });
  };
  return (
    <form className={css.form} onSubmit={submit} noValidate>
      <SelectField label={t('invite.role')} value={role} onChange={(event) => setRole(event.target.value as GuestItem['role'])}>
        {ROLES.map((one) => <option key={one} value={one}>{t(`role.${one}`)}</option>)}
      </SelectField>
      <TextField label={t('invite.name')} value={name} maxLength={100} autoComplete="off" onChange={(event) => setName(event.target.value)} error={tried && missing && t('invite.name.error')} />
      <TextField label={t('invite.email')} hint={t('invite.email.hint')} type="email" value={email} maxLength={254} autoComplete="off" onChange={(event) => setEmail(event.target.value)} error={tried && odd && t('invite.email.error')} />
      {email.trim() !== '' && (
        <SelectField label={t('invite.lang')} value={lang} onChange={(event) => setLang(event.target.value as 'en' | 'es')}>
          <option value="en">{t('language.en')}</option>
          <option value="es">{t('language.es')}</option>
        </SelectField>
      )}
      <Button type="submit" kind="primary" busy={busy}>{email.trim() === '' ? t('invite.make') : t('invite.send')}</Button>
    </form>
  );
}

function Made({ made: { invited, name, email }, onMore }: { made: { invited: InvitedGuest; name: string; email: string }; onMore: () => void }) {
  const { t, lang } = useText();
  return (
    <div className={css.form}>
      {email ? <Notice live title={t('invite.sent', { name, email })}>{t('invite.sent.also')}</Notice> : <Notice live>{t('invite.made', { name })}</Notice>}
      {invited.link && <CopyLink link={invited.link} valid={t('link.valid', { opens: moment(lang, invited.opens_at), expires: moment(lang, invited.expires_at) })} />}
      <Button onClick={onMore}>{t('invite.more')}</Button>
    </div>
  );
}

function FromStaff({ colleagues, busy, onAsk }: { colleagues: Guests['colleagues']; busy: boolean; onAsk: (staff: string) => void }) {
  const { t } = useText();
  const [chosen, setChosen] = useState('');
  return (
    <div className={css.staff}>
      <SelectField label={t('invite.staff')} hint={t('invite.staff.hint')} value={chosen} onChange={(event) => setChosen(event.target.value)}>
        <option value="">{t('invite.staff.choose')}</option>
        {colleagues.map((one) => <option key={one.staff_id} value={one.staff_id}>{one.name}</option>)}
      </SelectField>
      <Button
        disabled={chosen === ''} busy={busy}
        onClick={() => {
          onAsk(chosen);
          setChosen('');
        }}
      >
        {t('invite.staff.ask')}
      </Button>
    </div>
  );
}

function Row({ guest, room, busy, onRevoke }: { guest: GuestItem; room: RoomView | null; busy: boolean; onRevoke: () => void }) {
  const { t } = useText();
  const standing = guest.state === 'invited' || guest.state === 'opened';
  const seat = standing ? room?.participants.find((one) => one.participant === guest.participant_id)?.phase.is : undefined;
  const [word, tone]: [string, Tone] = seat === 'waiting' || seat === 'checking_in'
    ? [t('invite.state.waiting'), 'strong']
    : seat !== undefined && seat !== 'left' ? [t('invite.state.inside'), 'accent'] : [t(`invite.state.${guest.state}`), 'plain'];
  return (
    <li>
      <div>
        <p><strong>{guest.name}</strong> · {guest.colleague ? t('invite.colleague') : t(`role.${guest.role}`)}</p>
        <p className={css.quiet}>{guest.email ?? t(guest.colleague ? 'invite.by_list' : 'invite.by_hand')}</p>
      </div>
      <Pill tone={tone}>{word}</Pill>
      {standing && <Button kind="quiet" busy={busy} aria-description={guest.name} onClick={onRevoke}>{t('invite.revoke')}</Button>}
    </li>
  );
}
