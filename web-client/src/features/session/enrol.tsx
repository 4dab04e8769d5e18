// Setting up a second factor before anything else is open, then the recovery codes.

import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { get, post } from '../../lib/api/client';
import type { Enrolled, EnrolmentState, Me, TotpSecret } from '../../lib/api/types';
import { useText } from '../../lib/i18n/text';
import { Button, Failed, Loading, Notice } from '../../lib/ui';
import { keysWork } from '../../lib/webauthn';
import { AppForm, CodeList, KeyForm } from './factor-forms';
import { Frame } from './frame';
import css from './sign-in.module.css';

export function Enrol({ onDone }: { onDone: (me: Me) => void }) {
  const { t } = useText();
  const [way, setWay] = useState<'app' | 'key' | null>(null);
  const [enrolled, setEnrolled] = useState<Enrolled | null>(null);
  const { data, error, refetch } = useQuery({ queryKey: ['enrol'], queryFn: () => get<EnrolmentState>('/enrol'), gcTime: 0, retry: false });
  if (enrolled) {
    return (
      <Frame title={t('codes.title')}>
        <div><h1>{t('codes.title')}</h1><p className={css.quiet}>{t('codes.intro')}</p></div>
        <CodeList codes={enrolled.recovery_codes} />
        <Button kind="primary" large onClick={() => onDone(enrolled.me)}>{t('codes.kept')}</Button>
      </Frame>
    );
  }
  const done = (answer: Enrolled) => {
    if (answer.recovery_codes.length) setEnrolled(answer);
    else onDone(answer.me);
  };
  const byApp = data?.factors.includes('totp') ?? false;
  const byKey = (data?.factors.includes('webauthn') ?? false) && keysWork();
  const title = way === 'app' ? t('app.title') : way === 'key' ? t('key.title') : t('enrol.title');
  return (
    <Frame title={title}>
      <div><h1>{title}</h1>{!way && <p className={css.quiet}>{t('enrol.intro')}</p>}</div>
      {!data && (error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />)}
      {data && !way && (
        <ul className={css.choices}>
          {byApp && <li><Button large wide onClick={() => setWay('app')}>{t('enrol.app')}</Button><p className={css.quiet}>{t('enrol.app.about')}</p></li>}
          {byKey && <li><Button large wide onClick={() => setWay('key')}>{t('enrol.key')}</Button><p className={css.quiet}>{t('enrol.key.about')}</p></li>}
        </ul>
      )}
      {data && !byApp && !byKey && <Notice tone="warn">{t('enrol.none')}</Notice>}
      {way === 'app' && (
        <AppForm
          begin={() => post<TotpSecret>('/enrol/totp', { name: t('app.default_name') })}
          confirm={async (factor, code) => done(await post<Enrolled>('/enrol/totp/confirm', { factor_id: factor, code }))}
        />
      )}
      {way === 'key' && (
        <KeyForm
          options={() => post<unknown>('/enrol/webauthn/options')}
          register={async (name, answer) => done(await post<Enrolled>('/enrol/webauthn', { name, answer }))}
        />
      )}
      {way && byApp && byKey && <Button kind="quiet" onClick={() => setWay(null)}>{t('enrol.other_way')}</Button>}
    </Frame>
  );
}
