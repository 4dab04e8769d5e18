// Unusual access, found by rules: open until compliance has looked at it and says what came of it.

import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { get, post, query } from '../../lib/api/client';
import type { AccessFinding, Me, Page } from '../../lib/api/types';
import { calendarDate, clockWithZone, exactly } from '../../lib/i18n/format';
import { useText, type TextKey } from '../../lib/i18n/text';
import { Button, buttonLook, Dialog, Empty, ErrorText, Failed, Loading, problemText, SelectField, TextArea } from '../../lib/ui';
import css from './audit.module.css';
import { RulesDialog } from './rules';
import type { Filter } from './search';
import { useWords } from './words';

export function Findings({ me, onShow }: { me: Me; onShow: (filter: Partial<Filter>) => void }) {
  const { t } = useText();
  const [state, setState] = useState<'open' | 'reviewed'>('open');
  const [reviewing, setReviewing] = useState<AccessFinding | null>(null);
  const [rules, setRules] = useState(false);
  const { data, error, refetch, fetchNextPage, hasNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ['audit-findings', state],
    queryFn: ({ pageParam, signal }) => get<Page<AccessFinding>>(`/audit/findings${query({ state, cursor: pageParam })}`, { signal }),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor,
  });
  const items = data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      <div className={css.toolbar}>
        <SelectField label={t('unusual.state')} value={state} onChange={(event) => setState(event.target.value === 'reviewed' ? 'reviewed' : 'open')}>
          <option value="open">{t('unusual.open')}</option>
          <option value="reviewed">{t('unusual.reviewed')}</option>
        </SelectField>
        <Button onClick={() => setRules(true)}>{t('unusual.rules')}</Button>
      </div>
      {!data && (error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />)}
      {data && items.length === 0 && <Empty icon="check" title={t(`unusual.none.${state}`)}>{state === 'open' && t('unusual.none.body')}</Empty>}
      {items.length > 0 && (
        <ul className={css.findings}>
          {items.map((one) => <Finding key={one.finding_id} me={me} finding={one} onShow={onShow} onReview={() => setReviewing(one)} />)}
        </ul>
      )}
      {hasNextPage && <Button busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>{t('audit.more')}</Button>}
      {reviewing && <Review finding={reviewing} onClose={() => setReviewing(null)} />}
      {rules && <RulesDialog me={me} onClose={() => setRules(false)} />}
    </>
  );
}

function Finding({ me, finding, onShow, onReview }: { me: Me; finding: AccessFinding; onShow: (filter: Partial<Filter>) => void; onReview: () => void }) {
  const { t, lang } = useText();
  const words = useWords();
  const { patient_id: patient, review } = finding;
  const zone = me.clinic.time_zone;
  const actor = { id: finding.staff_id, name: finding.staff_name };
  return (
    <li>
      <div>
        <h2>{t(`unusual.rule.${finding.rule}` as TextKey, { n: finding.count })}</h2>
        <p>{finding.staff_name} <span className={css.more}>{words.role(finding.staff_role)}</span></p>
        <p className={css.quiet}>{calendarDate(lang, finding.day)}, {clockWithZone(lang, finding.first_at, zone)}{finding.last_at !== finding.first_at && ` – ${clockWithZone(lang, finding.last_at, zone)}`}</p>
        {review && <p className={css.review}>{review.note} <span className={css.more}>{review.by_name}, {exactly(lang, review.at)}</span></p>}
      </div>
      <div className={css.findingActions}>
        <Button kind="quiet" onClick={() => onShow(patient ? { actor, patient: { id: patient, name: patient } } : { actor })}>{t('audit.entries')}</Button>
        {finding.rule === 'break_glass' && me.role === 'compliance' && <a href="/app/emergency_access" className={buttonLook('quiet')}>{t('nav.emergency_access')}</a>}
        {!review && me.role === 'compliance' && <Button onClick={onReview}>{t('unusual.review')}</Button>}
      </div>
    </li>
  );
}

function Review({ finding, onClose }: { finding: AccessFinding; onClose: () => void }) {
  const { t } = useText();
  const queries = useQueryClient();
  const [note, setNote] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!note.trim()) return setError(t('unusual.note.missing'));
    setBusy(true);
    try {
      await post(`/audit/findings/${finding.finding_id}/review`, { note: note.trim() });
      await queries.invalidateQueries({ queryKey: ['audit-findings'] });
      onClose();
    } catch (problem) {
      setError(problemText(t, problem));
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={t('unusual.review.title')} onClose={onClose}
      actions={<><Button onClick={onClose}>{t('cancel')}</Button><Button type="submit" form="review" kind="primary" busy={busy}>{t('unusual.review.done')}</Button></>}
    >
      <form id="review" onSubmit={(event) => void submit(event)} noValidate>
        <p>{t(`unusual.rule.${finding.rule}` as TextKey, { n: finding.count })}: {finding.staff_name}</p>
        <TextArea label={t('unusual.note')} hint={t('unusual.note.hint')} rows={4} maxLength={2_000} value={note} onChange={(event) => setNote(event.target.value)} />
        {error && <ErrorText>{error}</ErrorText>}
      </form>
    </Dialog>
  );
}
