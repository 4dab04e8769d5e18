// Compliance: the audit log, who viewed a patient, unusual access, and whether the log is as it was sealed.

import { useState } from 'react';
import { Tab, TabList, TabPanel, Tabs } from 'react-aria-components';
import type { Me } from '../../lib/api/types';
import { useText } from '../../lib/i18n/text';
import { useTitle } from '../../lib/ui/now';
import css from './audit.module.css';
import { Findings } from './findings';
import { NO_FILTER, Search, type Filter } from './search';
import { Seals } from './seals';
import { Viewers } from './viewers';

const VIEWS = ['search', 'viewers', 'unusual', 'seals'] as const;

export function Audit({ me }: { me: Me }) {
  const { t } = useText();
  const [view, setView] = useState<(typeof VIEWS)[number]>('search');
  const [filter, setFilter] = useState<Filter>(NO_FILTER);
  useTitle(`${t('audit.title')} · ${me.clinic.name}`);
  const show = (next: Partial<Filter>) => {
    setFilter({ ...NO_FILTER, ...next });
    setView('search');
  };
  return (
    <div className={css.page}>
      <header><h1>{t('audit.title')}</h1><p className={css.quiet}>{t('audit.intro')}</p></header>
      <Tabs selectedKey={view} onSelectionChange={(key) => setView(VIEWS.find((one) => one === key) ?? 'search')} className={css.views}>
        <TabList aria-label={t('audit.views')} className={css.tabs}>
          {VIEWS.map((one) => <Tab key={one} id={one} className={css.tab}>{t(`audit.view.${one}`)}</Tab>)}
        </TabList>
        <TabPanel id="search" className={css.view}><Search me={me} filter={filter} onFilter={setFilter} /></TabPanel>
        <TabPanel id="viewers" className={css.view}><Viewers me={me} onShow={show} /></TabPanel>
        <TabPanel id="unusual" className={css.view}><Findings me={me} onShow={show} /></TabPanel>
        <TabPanel id="seals" className={css.view}><Seals /></TabPanel>
      </Tabs>
    </div>
  );
}
