// What is known about allergies, in one line that can't be overlooked.

import { useText } from '../../lib/i18n/text';
import { Pill } from '../../lib/ui';
import { titleOf, type Line } from './lists';

/** `lines`: the entries that count today. */
export function AllergyPill({ known, lines }: { known: 'not_asked' | 'none_known' | 'listed'; lines: Line[] }) {
  const { t } = useText();
  const allergies = lines.filter((line) => line.list === 'allergy');
  const dangerous = allergies.some((line) => line.values.criticality === 'high' || line.values.severity === 'severe');
  switch (known) {
    case 'listed': return <Pill tone={dangerous ? 'danger' : 'warn'} icon="warning">{t('chart.allergies.listed', { list: allergies.map(titleOf).join(', ') })}</Pill>;
    case 'none_known': return <Pill tone="accent" icon="check">{t('chart.allergies.none_known')}</Pill>;
    case 'not_asked': return <Pill tone="warn" icon="warning">{t('chart.allergies.not_asked')}</Pill>;
  }
}
