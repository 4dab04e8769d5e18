// The frame of the pages that come before one is signed in: sign-in, invitation, second factor, new password.

import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { get } from '../../lib/api/client';
import type { Site } from '../../lib/api/types';
import { LanguageSwitch } from '../../lib/ui';
import { useTitle } from '../../lib/ui/now';
import css from './sign-in.module.css';

export function useSite(): Site | undefined {
  return useQuery({ queryKey: ['site'], queryFn: () => get<Site>('/site'), staleTime: Infinity }).data;
}

export function Frame({ title, children }: { title: string; children: ReactNode }) {
  const site = useSite();
  useTitle(`${title} · ${site?.name ?? 'Bedside'}`);
  return (
    <div className={css.page}>
      <header className={css.header}><p className={css.brand}><img src="/favicon.svg" alt="" width={32} height={32} /> Bedside</p><LanguageSwitch /></header>
      <main className={css.main}>
        {site && <p className={css.site}>{site.name}</p>}
        {children}
      </main>
    </div>
  );
}
