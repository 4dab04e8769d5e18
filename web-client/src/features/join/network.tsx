// The connection in numbers, with what they mean and what to do.

import type { NetworkFound } from '../../call/network';
import { useText } from '../../lib/i18n/text';
import { Notice } from '../../lib/ui';
import css from './join.module.css';

export function Network({ found }: { found: NetworkFound }) {
  const { t, lang } = useText();
  const { grade, roundTripMs, loss, upKbps } = found;
  if (grade === 'unknown') return null;
  const number = (value: number, options: Intl.NumberFormatOptions = {}) => new Intl.NumberFormat(lang, { maximumFractionDigits: 0, ...options }).format(value);
  const unmeasured = t('network.unmeasured');
  return (
    <>
      {grade !== 'good' && <Notice tone="warn" live title={t(`network.${grade}`)}>{t(`network.${grade}.advice`)}</Notice>}
      <details className={css.pickers}>
        <summary>{t(grade === 'good' ? 'network.good' : 'network.numbers')}</summary>
        <dl className={css.standing}>
          <div><dt>{t('network.round_trip')}</dt><dd>{roundTripMs === null ? unmeasured : t('network.ms', { n: number(roundTripMs) })}</dd></div>
          <div><dt>{t('network.loss')}</dt><dd>{loss === null ? unmeasured : number(loss, { style: 'percent', maximumFractionDigits: 1 })}</dd></div>
          <div><dt>{t('network.up')}</dt><dd>{upKbps === null ? unmeasured : t('network.kbps', { n: number(upKbps) })}</dd></div>
          <div><dt>{t('network.down')}</dt><dd>{t('network.down.later')}</dd></div>
        </dl>
      </details>
    </>
  );
}
