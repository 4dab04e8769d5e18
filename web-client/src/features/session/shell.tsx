// The frame of every staff page: where one can go, who one is, the way out.

import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { Me } from '../../lib/api/types';
import { useText } from '../../lib/i18n/text';
import { Button, Icon, LanguageSwitch } from '../../lib/ui';
import { useEvents } from './events';
import { IdleNotice } from './idle';
import { ConfirmFactor } from './confirm';
import { homeOf, navOf, signOut } from './session';
import css from './shell.module.css';

export function Shell({ me, children }: { me: Me; children: ReactNode }) {
  const { t } = useText();
  const queries = useQueryClient();
  // All but the operator may watch their clinic; the stream also says when the session was ended elsewhere.
  useEvents(me.role !== 'super_admin');
  return (
    <div className={css.shell}>
      <a href="#content" className={css.skip}>{t('skip')}</a>
      <header className={css.bar}>
        <Link to={homeOf(me.role)} className={css.brand} aria-label="Bedside"><img src="/favicon.svg" alt="" width={32} height={32} /></Link>
        <nav aria-label={t('nav.main')} className={css.nav}>
          {navOf(me.role).map((page) => <Link key={page} to={`/app/${page}`} activeProps={{ 'aria-current': 'page' }}>{t(`nav.${page}`)}</Link>)}
        </nav>
        <div className={css.account}>
          <Link to="/app/account" className={css.face} aria-label={t('nav.account')}><Icon name="person" /></Link>
          <Link to="/app/account" className={css.who}><span className="visually-hidden">{t('nav.account')}</span> <span>{me.name}</span> <span>{t(`role.${me.role}`)}, {me.clinic.name}</span></Link>
          <LanguageSwitch className={css.lang} />
          <Button kind="quiet" onClick={() => void signOut(queries)}>{t('sign_out')}</Button>
        </div>
      </header>
      <main id="content" className={css.content} tabIndex={-1}>{children}</main>
      <IdleNotice />
      <ConfirmFactor />
    </div>
  );
}
