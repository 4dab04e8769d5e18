// Who viewed one patient. The patient is chosen by name; the log itself knows ids only.

import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { get } from '../../lib/api/client';
import type { Me, PatientViewer } from '../../lib/api/types';
import { exactly } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, Empty, Failed, Loading } from '../../lib/ui';
import css from './audit.module.css';
import { PatientPicker, type Chosen } from './pickers';
import type { Filter } from './search';
import { useWords } from './words';

export function Viewers({ onShow }: { me: Me; onShow: (filter: Partial<Filter>) => void }) {
  const { t, lang } = useText();
  const words = useWords();
  const [patient, setPatient] = useState<Chosen | null>(null);
  const { data, error, refetch } = useQuery({
    queryKey: ['audit-viewers', patient?.id],
    queryFn: ({ signal }) => get<{ items: PatientViewer[] }>(`/audit/patients/${patient?.id}/viewers`, { signal }),
    enabled: patient !== null,
  });
  return (
    <>
      <div className={css.one}><PatientPicker label={t('audit.patient.name')} hint={t('audit.viewers.hint')} value={patient} onChoose={setPatient} /></div>
      {patient && !data && (error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />)}
      {patient && data?.items.length === 0 && <Empty icon="person" title={t('audit.viewers.none')} />}
      {patient && data && data.items.length > 0 && (
        <div className={css.scroll} role="region" aria-label={t('audit.view.viewers')} tabIndex={0}>
          <table className={css.table}>
            <thead>
              <tr><th scope="col">{t('audit.who')}</th><th scope="col">{t('audit.last')}</th><th scope="col">{t('audit.first')}</th><th scope="col">{t('audit.times')}</th><th scope="col">{t('audit.what')}</th><th><span className="visually-hidden">{t('audit.entries')}</span></th></tr>
            </thead>
            <tbody>
              {data.items.map((one) => (
                <tr key={`${one.staff_id} ${one.role}`}>
                  <th scope="row">{one.name}<span className={css.more}> {words.role(one.role)}</span></th>
                  <td data-label={t('audit.last')}><time dateTime={one.last_at}>{exactly(lang, one.last_at)}</time></td>
                  <td data-label={t('audit.first')}><time dateTime={one.first_at}>{exactly(lang, one.first_at)}</time></td>
                  <td data-label={t('audit.times')}>{one.count}{one.in_lists > 0 && <span className={css.more}> {t('audit.in_lists', { n: one.in_lists })}</span>}</td>
                  <td className={css.actions} data-label={t('audit.what')}>{one.actions.map(words.action).join(', ')}</td>
                  <td><Button kind="quiet" onClick={() => onShow({ patient, actor: { id: one.staff_id, name: one.name } })}>{t('audit.entries')}</Button></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}
