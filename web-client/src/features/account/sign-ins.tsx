// Sign-ins and tries at it, page by page: one's own, or those of a member of staff.

import { useInfiniteQuery } from '@tanstack/react-query';
import { get, query } from '../../lib/api/client';
import type { Page, SignInItem } from '../../lib/api/types';
import { moment } from '../../lib/i18n/format';
import { useText, type TextKey } from '../../lib/i18n/text';
import { Button, Empty, Failed, Loading, Pill } from '../../lib/ui';
import { browserName } from './browser-name';
import css from './account.module.css';

export function SignIns({ path }: { path: string }) {
  const { t, lang } = useText();
  const { data, error, refetch, fetchNextPage, hasNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ['account', 'sign-ins', path],
    queryFn: ({ pageParam, signal }) => get<Page<SignInItem>>(`${path}${query({ cursor: pageParam })}`, { signal }),
    initialPageParam: '',
    getNextPageParam: (page) => page.next_cursor,
  });
  const items = data?.pages.flatMap((page) => page.items) ?? [];
  if (!data) return error ? <Failed error={error} onRetry={() => void refetch()} /> : <Loading />;
  if (items.length === 0) return <Empty icon="clock" title={t('account.sign_ins.empty')} />;
  const step = (name: string) => {
    const key = `step_of.${name}` as TextKey;
    const text = t(key);
    return text === key ? name : text;
  };
  return (
    <>
      <div className={css.scroll}>
        <table className={css.table}>
          <thead><tr><th scope="col">{t('sign_ins.at')}</th><th scope="col">{t('sign_ins.step')}</th><th scope="col">{t('sign_ins.outcome')}</th><th scope="col">{t('sign_ins.from')}</th></tr></thead>
          <tbody>
            {items.map((item, n) => (
              <tr key={n}>
                <td><time dateTime={item.at}>{moment(lang, item.at)}</time></td>
                <td>{step(item.step)}</td>
                <td><Pill tone={item.outcome === 'allowed' ? 'plain' : 'danger'}>{t(`sign_in_outcome.${item.outcome}`)}</Pill></td>
                <td>{browserName(t, item.user_agent)}{item.address && <span className={css.quiet}> · {item.address}</span>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {hasNextPage && <Button className={css.more} busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>{t('account.sign_ins.more')}</Button>}
    </>
  );
}
