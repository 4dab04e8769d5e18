// Whether the log is as it was sealed: the last seal, the last verification and what it found, a button to verify now.

import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { get, post } from '../../lib/api/client';
import type { AuditSeals } from '../../lib/api/types';
import { exactly } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, ErrorText, Failed, Loading, Notice, problemText } from '../../lib/ui';
import css from './audit.module.css';
import { Fact } from './search';

export function Seals() {
  const { t, lang } = useText();
  const queries = useQueryClient();
  const { data, error, refetch } = useQuery({ queryKey: ['audit-seals'], queryFn: ({ signal }) => get<AuditSeals>('/audit/seals', { signal }) });
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState('');
  if (!data) return error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />;
  const verify = async () => {
    setBusy(true);
    setFault('');
    try {
      queries.setQueryData(['audit-seals'], await post<AuditSeals>('/audit/verifications'));
    } catch (problem) {
      setFault(problemText(t, problem));
    }
    setBusy(false);
  };
  const last = data.verification;
  const number = (n: number) => new Intl.NumberFormat(lang).format(n);
  return (
    <>
      {last && last.fault_count === 0 && <Notice tone="accent" title={t('seals.intact')}>{t('seals.intact.body', { n: number(last.tree_size), at: exactly(lang, last.finished_at) })}</Notice>}
      {last && last.fault_count > 0 && (
        <Notice tone="danger" title={t('seals.altered', { n: number(last.fault_count) })}>
          <p>{t('seals.altered.body', { at: exactly(lang, last.finished_at) })}</p>
          <ul className={css.faults}>{last.faults.map((one) => <li key={one}><code>{one}</code></li>)}</ul>
        </Notice>
      )}
      {!last && <Notice title={t('seals.never')}>{t('seals.never.body')}</Notice>}
      <div className={css.buttons}>
        <Button kind="primary" busy={busy} disabled={!data.verifiable_now} onClick={() => void verify()}>{t(busy ? 'seals.verifying' : 'seals.verify')}</Button>
        {!data.verifiable_now && <p className={css.quiet}>{t('seals.too_large')}</p>}
      </div>
      {fault && <ErrorText>{fault}</ErrorText>}
      <dl className={css.facts}>
        <Fact label={t('seals.size')}>{number(data.tree_size)}</Fact>
        <Fact label={t('seals.sealed_at')}>{data.sealed_at ? exactly(lang, data.sealed_at) : t('seals.none')}</Fact>
        {data.key && <Fact label={t('seals.key')}><code className={css.long}>{data.key}</code></Fact>}
        {data.checkpoint && <Fact label={t('seals.checkpoint')}><pre className={css.long}>{data.checkpoint}</pre></Fact>}
        {data.dropped_months.map((one) => <Fact key={one.month} label={t('seals.dropped', { month: one.month })}>{t('seals.dropped.body', { n: number(one.rows), at: exactly(lang, one.dropped_at) })}</Fact>)}
      </dl>
    </>
  );
}
