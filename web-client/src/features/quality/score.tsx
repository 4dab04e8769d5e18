import { number } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Pill } from '../../lib/ui';

/** A mean opinion score, 1 to 4.5, with a word for it: from 4.0 most are satisfied, below 3.6 many are not (ITU-T G.107, annex B). */
export function Score({ mos }: { mos: number | null }) {
  const { t, lang } = useText();
  if (mos === null) return <Pill>{t('quality.unknown')}</Pill>;
  const [tone, word] = mos >= 4 ? (['accent', 'quality.good'] as const) : mos >= 3.6 ? (['warn', 'quality.fair'] as const) : (['danger', 'quality.poor'] as const);
  return <Pill tone={tone}>{number(lang, mos, 1)} {t(word)}</Pill>;
}
