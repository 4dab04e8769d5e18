// Mail that goes out: what waits, what was given up and why, and trying again.

import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { post } from '../../lib/api/client';
import { reading } from '../../lib/api/refetch';
import type { MailMessage, Me } from '../../lib/api/types';
import { moment } from '../../lib/i18n/format';
import { useText, type TextKey } from '../../lib/i18n/text';
import { Button, Empty, ErrorText, Failed, Loading, Pill, problemText, SelectField, type Tone } from '../../lib/ui';
import { useTitle } from '../../lib/ui/now';
import css from './mail.module.css';

const TONE: Record<MailMessage['state'], Tone> = { waiting: 'warn', delivered: 'accent', kept: 'plain', dead: 'danger' };

export function Mail({ me }: { me: Me }) {
  const { t, lang } = useText();
  const zone = me.clinic.time_zone;
  const [state, setState] = useState('');
  useTitle(`${t('mail.title')} · ${me.clinic.name}`);
  const queries = useQueryClient();
  const { data, error, refetch } = useQuery({ queryKey: ['mail', state], queryFn: reading<{ items: MailMessage[] }>(`/mail${state && `?state=${state}`}`), refetchInterval: 30_000 });
  const again = useMutation({
    mutationFn: (id: string) => post<undefined>(`/mail/${id}/retry`),
    onSettled: () => queries.invalidateQueries({ queryKey: ['mail'] }),
  });
  return (
    <div className={css.page}>
      <header className={css.head}>
        <div><h1>{t('mail.title')}</h1><p className={css.quiet}>{t('mail.intro')}</p></div>
        <SelectField label={t('mail.show')} value={state} onChange={(event) => setState(event.target.value)}>
          <option value="">{t('mail.all')}</option>
          <option value="waiting">{t('mail.state.waiting')}</option>
          <option value="dead">{t('mail.state.dead')}</option>
          <option value="delivered">{t('mail.state.delivered')}</option>
        </SelectField>
      </header>
      {again.error && <ErrorText>{problemText(t, again.error)}</ErrorText>}
      {!data && (error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />)}
      {data?.items.length === 0 && <Empty icon="send" title={t('mail.empty')} />}
      {data && data.items.length > 0 && (
        <div className={css.scroll} role="region" aria-label={t('mail.title')} tabIndex={0}>
          <table className={css.table}>
            <thead><tr>
              <th scope="col">{t('mail.written')}</th><th scope="col">{t('mail.what')}</th><th scope="col">{t('mail.to')}</th><th scope="col">{t('mail.stands')}</th><th scope="col"><span className="visually-hidden">{t('mail.again')}</span></th>
            </tr></thead>
            <tbody>
              {data.items.map((mail) => (
                <tr key={mail.id}>
                  <td>{moment(lang, mail.created_at, zone)}</td>
                  <td>{t(`mail.kind.${mail.kind}` as TextKey)}</td>
                  <td>{mail.recipient ?? <span className={css.quiet}>{t('mail.gone')}</span>}</td>
                  <td><Pill tone={TONE[mail.state]}>{t(`mail.state.${mail.state}`)}</Pill> <span className={css.quiet}>{why(mail)}</span></td>
                  <td>{mail.state === 'dead' && mail.recipient && <Button busy={again.isPending && again.variables === mail.id} onClick={() => again.mutate(mail.id)}>{t('mail.again')}</Button>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );

  function why(mail: MailMessage): string {
    if (mail.state === 'waiting' && mail.attempts > 0) return t('mail.next', { time: moment(lang, mail.due_at, zone) });
    if (mail.state !== 'dead' || !mail.failure) return '';
    const text = t(`mail.failure.${mail.failure}` as TextKey);
    return mail.smtp_code ? `${text} (${mail.smtp_code})` : text;
  }
}
