// Where one stands in line and what is ready, in a few words for staff.

import type { QueueItem } from '../../lib/api/types';
import { useText } from '../../lib/i18n/text';
import { Pill } from '../../lib/ui';

export function StandingPills({ item }: { item: QueueItem | undefined }) {
  const { t } = useText();
  if (!item) return null;
  const { ready, wait } = item;
  const devices = ready.devices;
  return (
    <>
      {item.held_since && <Pill tone="warn">{t('queue.on_hold')}</Pill>}
      {item.declined_at && <Pill tone="warn">{t('queue.sent_away')}</Pill>}
      {item.moved_at && <Pill>{t('queue.moved')}</Pill>}
      {item.place !== null && <Pill tone="accent">{t('queue.place', { n: item.place })}</Pill>}
      {item.place !== null && wait && <Pill>{t('queue.wait', { from: wait.from, to: wait.to })}</Pill>}
      {!ready.consent && item.waiting_since && <Pill tone="warn">{t('queue.no_consent')}</Pill>}
      {devices?.camera === 'failed' && <Pill tone="warn">{t('queue.no_camera')}</Pill>}
      {devices?.microphone === 'failed' && <Pill tone="warn">{t('queue.no_microphone')}</Pill>}
      {(devices?.network === 'weak' || devices?.network === 'bad') && <Pill tone="warn">{t('queue.network')}</Pill>}
      {devices && devices.camera === 'works' && devices.microphone === 'works' && ready.consent && (devices.network === 'good' || devices.network === 'unknown') && <Pill icon="check">{t('queue.ready')}</Pill>}
    </>
  );
}
