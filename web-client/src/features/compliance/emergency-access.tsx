// Compliance's queue of emergency accesses: who opened whose record, why, what they looked at; each is reviewed once.

import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent, type ReactNode } from 'react';
import { get, post, query } from '../../lib/api/client';
import type { EmergencyAccess, EmergencyAccessDetail, Finding, Me, Page } from '../../lib/api/types';
import { clockWithZone, exactly, moment } from '../../lib/i18n/format';
import { useText, type TextKey } from '../../lib/i18n/text';
import { Button, Dialog, Empty, ErrorText, Failed, Loading, Pill, problemText, SelectField, TextArea } from '../../lib/ui';
import { useTitle } from '../../lib/ui/now';
import { useWords } from '../audit/words';
import css from './emergency-access.module.css';

const STATES = ['open', 'reviewed'] as const;
type State = (typeof STATES)[number];

export function EmergencyAccessPage({ me }: { me: Me }) {
  const { t } = useText();
  const [state, setState] = useState<State>('open');
  const [shown, setShown] = useState<string | null>(null);
  useTitle(`${t('nav.emergency_access')} · ${me.clinic.name}`);
  const { data, error, refetch, fetchNextPage, hasNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ['emergency-access', state],
    queryFn: ({ pageParam, signal }) => get<Page<EmergencyAccess>>(`/emergency-access${query({ state, cursor: pageParam })}`, { signal }),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor,
  });
  const items = data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className={css.page}>
      <header className={css.head}>
        <div><h1>{t('nav.emergency_access')}</h1><p className={css.quiet}>{t('emergency.queue.intro')}</p></div>
        <SelectField label={t('emergency.state')} value={state} onChange={(event) => setState(event.target.value as State)}>
          {STATES.map((one) => <option key={one} value={one}>{t(`emergency.state.${one}`)}</option>)}
        </SelectField>
      </header>
      {!data && (error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />)}
      {data && items.length === 0 && <Empty icon="check" title={t(`emergency.none.${state}`)}>{t('emergency.none.body')}</Empty>}
      {items.length > 0 && (
        <ul className={css.items} aria-label={t('nav.emergency_access')}>
          {items.map((item) => <Item key={item.emergency_access_id} item={item} onReview={() => setShown(item.emergency_access_id)} />)}
        </ul>
      )}
      {hasNextPage && <Button busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>{t('audit.more')}</Button>}
      {shown && <ReviewDialog id={shown} onClose={() => setShown(null)} />}
    </div>
  );
}

function Item({ item, onReview }: { item: EmergencyAccess; onReview: () => void }) {
  const { t, lang } = useText();
  return (
    <li className={css.item}>
      <div className={css.who}>
        <strong>{item.staff_name}</strong> <span className={css.quiet}>{t(`role.${item.staff_role}` as TextKey)}</span>
        <span className={css.quiet}>{t('emergency.opened_record_of')}</span> <strong>{item.patient_name}</strong>
      </div>
      <Pill tone={item.state === 'open' ? 'warn' : item.review?.finding === 'justified' ? 'accent' : 'danger'}>
        {item.review ? t(`emergency.finding.${item.review.finding}`) : t('emergency.state.open')}
      </Pill>
      <p className={css.quiet}>
        <time dateTime={item.granted_at}>{moment(lang, item.granted_at)}</time>
        {' · '}{t('emergency.until', { time: clockWithZone(lang, item.expires_at) })}
        {' · '}{t('emergency.accesses', { n: item.accesses })}
      </p>
      <blockquote className={css.reason}>{item.reason}</blockquote>
      <Button className={css.act} onClick={onReview}>{item.may_review ? t('emergency.review') : t('emergency.details')}</Button>
    </li>
  );
}

function ReviewDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const { t, lang } = useText();
  const words = useWords();
  const queries = useQueryClient();
  const [finding, setFinding] = useState<Finding | ''>('');
  const [remarks, setRemarks] = useState('');
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const { data, error: failure, refetch } = useQuery({
    queryKey: ['emergency-access', 'one', id],
    queryFn: ({ signal }) => get<EmergencyAccessDetail>(`/emergency-access/${id}`, { signal }),
  });
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (!finding || !remarks.trim() || busy) return;
    setBusy(true);
    setError('');
    try {
      await post(`/emergency-access/${id}/review`, { finding, remarks: remarks.trim() });
      await queries.invalidateQueries({ queryKey: ['emergency-access'] });
      onClose();
    } catch (problem) {
      setError(problemText(t, problem));
    }
    setBusy(false);
  };
  const access = data?.access;
  return (
    <Dialog
      title={access ? t('emergency.review.title', { staff: access.staff_name, patient: access.patient_name }) : t('nav.emergency_access')}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t('close')}</Button>
          {access?.may_review && <Button kind="primary" type="submit" form="emergency-review" busy={busy}>{t('emergency.review.save')}</Button>}
        </>
      }
    >
      {!data && (failure ? <Failed error={failure} onRetry={() => void refetch()} /> : <Loading />)}
      {data && access && (
        <div className={css.detail}>
          <Fact label={t('emergency.reason.given')}>{access.reason}</Fact>
          <Fact label={t('emergency.what')}>
            {data.opened.length === 0 ? t('emergency.what.none') : (
              <ol className={css.opened}>
                {data.opened.map((one, n) => <li key={n}><time dateTime={one.at}>{exactly(lang, one.at)}</time> {words.action(one.action)}</li>)}
              </ol>
            )}
          </Fact>
          {access.review && (
            <Fact label={t('emergency.found', { name: access.review.reviewed_by, time: moment(lang, access.review.reviewed_at) })}>
              <strong>{t(`emergency.finding.${access.review.finding}`)}.</strong> {access.review.remarks}
            </Fact>
          )}
          {access.state === 'open' && !access.may_review && <p>{t('emergency.own')}</p>}
          {access.may_review && (
            <form id="emergency-review" className={css.detail} onSubmit={(event) => void submit(event)} noValidate>
              <SelectField label={t('emergency.finding')} value={finding} required onChange={(event) => setFinding(event.target.value as Finding | '')} error={tried && !finding && t('emergency.finding.missing')}>
                <option value="">{t('emergency.finding.choose')}</option>
                <option value="justified">{t('emergency.finding.justified')}</option>
                <option value="not_justified">{t('emergency.finding.not_justified')}</option>
              </SelectField>
              <TextArea label={t('emergency.remarks')} hint={t('emergency.remarks.hint')} value={remarks} rows={3} maxLength={2000} required onChange={(event) => setRemarks(event.target.value)} error={tried && !remarks.trim() && t('emergency.remarks.missing')} />
              {error && <ErrorText>{error}</ErrorText>}
            </form>
          )}
        </div>
      )}
    </Dialog>
  );
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return <section><h3>{label}</h3><div>{children}</div></section>;
}
