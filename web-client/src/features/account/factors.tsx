// One's own second factors and recovery codes. Whatever changes them asks for the second factor again.

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { get, post, remove } from '../../lib/api/client';
import type { FactorItem, FactorList, RecoveryCodes, TotpSecret } from '../../lib/api/types';
import { moment } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog, ErrorText, Failed, Loading } from '../../lib/ui';
import { keysWork } from '../../lib/webauthn';
import { AppForm, CodeList, KeyForm } from '../session/factor-forms';
import { useSubmit } from '../session/submit';
import css from './account.module.css';

type Shown = { what: 'app' | 'key' | 'new_codes' } | { what: 'remove'; factor: FactorItem } | { what: 'codes'; codes: string[] };

export function Factors() {
  const { t, lang } = useText();
  const queries = useQueryClient();
  const [shown, setShown] = useState<Shown | null>(null);
  const { data, error, refetch } = useQuery({ queryKey: ['account', 'factors'], queryFn: () => get<FactorList>('/account/factors') });
  const close = () => {
    setShown(null);
    void queries.invalidateQueries({ queryKey: ['account'] });
  };
  return (
    <>
      <section aria-labelledby="factors" className={css.section}>
        <h2 id="factors">{t('account.factors')}</h2>
        <p className={css.quiet}>{t('account.factors.body')}</p>
        {!data && (error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />)}
        {data && (
          <ul className={css.list}>
            {data.items.map((factor) => (
              <li key={factor.id}>
                <div className={css.item}>
                  <strong>{factor.name}</strong>
                  <span className={css.quiet}>
                    {t(`factor.${factor.kind}`)} · {t('account.factors.added', { date: moment(lang, factor.created_at) })} · {factor.last_used_at ? t('account.factors.used', { date: moment(lang, factor.last_used_at) }) : t('account.factors.never_used')}
                  </span>
                </div>
                <Button kind="quiet" aria-label={t('account.factors.remove_of', { name: factor.name })} onClick={() => setShown({ what: 'remove', factor })}>{t('account.factors.remove')}</Button>
              </li>
            ))}
          </ul>
        )}
        {data && (
          <div className={css.buttons}>
            {data.may_add.includes('totp') && <Button onClick={() => setShown({ what: 'app' })}>{t('account.factors.add_app')}</Button>}
            {data.may_add.includes('webauthn') && keysWork() && <Button onClick={() => setShown({ what: 'key' })}>{t('account.factors.add_key')}</Button>}
          </div>
        )}
        {data && !keysWork() && <p className={css.quiet}>{t('key.not_here')}</p>}
      </section>
      <section aria-labelledby="codes" className={css.section}>
        <h2 id="codes">{t('account.codes')}</h2>
        {data && <p className={css.quiet}>{t('account.codes.left', { n: data.recovery_codes_left })}</p>}
        <Button onClick={() => setShown({ what: 'new_codes' })}>{t('account.codes.new')}</Button>
      </section>
      {shown?.what === 'app' && (
        <Dialog title={t('app.title')} onClose={close} actions={<Button onClick={close}>{t('cancel')}</Button>}>
          <AppForm
            begin={() => post<TotpSecret>('/account/totp', { name: t('app.default_name') })}
            confirm={async (factor, code) => {
              await post('/account/totp/confirm', { factor_id: factor, code });
              close();
            }}
          />
        </Dialog>
      )}
      {shown?.what === 'key' && (
        <Dialog title={t('key.title')} onClose={close} actions={<Button onClick={close}>{t('cancel')}</Button>}>
          <KeyForm
            options={() => post<unknown>('/account/webauthn/options')}
            register={async (name, answer) => {
              await post('/account/webauthn', { name, answer });
              close();
            }}
          />
        </Dialog>
      )}
      {shown?.what === 'remove' && <RemoveDialog factor={shown.factor} onClose={close} />}
      {shown?.what === 'new_codes' && <NewCodesDialog onClose={close} onMade={(codes) => setShown({ what: 'codes', codes })} />}
      {shown?.what === 'codes' && (
        <Dialog title={t('codes.title')} actions={<Button kind="primary" onClick={close}>{t('codes.kept')}</Button>}>
          <p>{t('codes.intro')}</p>
          <CodeList codes={shown.codes} />
        </Dialog>
      )}
    </>
  );
}

function RemoveDialog({ factor, onClose }: { factor: FactorItem; onClose: () => void }) {
  const { t } = useText();
  const { busy, error, run } = useSubmit({ 'second_factor.last': 'account.factors.last' });
  const press = () => void run(null, async () => {
    await remove(`/account/factors/${factor.id}`);
    onClose();
  });
  return (
    <Dialog title={t('account.factors.remove.title', { name: factor.name })} onClose={onClose} actions={<><Button onClick={onClose}>{t('cancel')}</Button><Button kind="danger" busy={busy} onClick={press}>{t('account.factors.remove')}</Button></>}>
      <p>{t('account.factors.remove.body')}</p>
      {error && <ErrorText>{error}</ErrorText>}
    </Dialog>
  );
}

function NewCodesDialog({ onClose, onMade }: { onClose: () => void; onMade: (codes: string[]) => void }) {
  const { t } = useText();
  const { busy, error, run } = useSubmit({});
  const press = () => void run(null, async () => onMade((await post<RecoveryCodes>('/account/recovery-codes')).codes));
  return (
    <Dialog title={t('account.codes.new.title')} onClose={onClose} actions={<><Button onClick={onClose}>{t('cancel')}</Button><Button kind="primary" busy={busy} onClick={press}>{t('account.codes.new')}</Button></>}>
      <p>{t('account.codes.new.body')}</p>
      {error && <ErrorText>{error}</ErrorText>}
    </Dialog>
  );
}
