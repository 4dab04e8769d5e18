// One page per failure of the device check: what happened, and which button to press in the very browser that this is.

import type { DeviceProblem } from '../../call/devices';
import { useText, type TextKey } from '../../lib/i18n/text';
import { Button } from '../../lib/ui';
import { browserOf, inAppOf } from './browser';
import css from './join.module.css';
import { PatientPage, type Clinic } from './page';

/** The failures that have a page. What was unplugged or did not start is helped by the same steps. */
type Helped = 'denied' | 'missing' | 'in_use' | 'old_browser' | 'in_app' | 'insecure';

export function helpFor(problem: DeviceProblem, userAgent: string): Helped {
  // Inside a mail or social app nothing else helps, whatever the browser said.
  if (inAppOf(userAgent) !== null && (problem === 'denied' || problem === 'unsupported' || problem === 'failed')) return 'in_app';
  switch (problem) {
    case 'denied': return 'denied';
    case 'missing':
    case 'unplugged': return 'missing';
    case 'unsupported': return 'old_browser';
    case 'insecure': return 'insecure';
    default: return 'in_use';
  }
}

function stepsOf(help: Helped, userAgent: string): TextKey {
  const browser = browserOf(userAgent);
  const phone = browser === 'safari_ios' || browser === 'chrome_ios' ? 'ios' : /Android/.test(userAgent) ? 'android' : 'desktop';
  switch (help) {
    case 'denied': return `help.denied.${browser}`;
    case 'in_app': return phone === 'ios' ? 'help.in_app.ios' : 'help.in_app.android';
    case 'insecure': return 'help.insecure.steps';
    default: return `help.${help}.${phone}`;
  }
}

export function DeviceHelp({ problem, clinic, onAgain, onBack }: { problem: DeviceProblem; clinic: Clinic; onAgain: () => void; onBack: () => void }) {
  const { t } = useText();
  const { userAgent } = navigator;
  const help = helpFor(problem, userAgent);
  const app = inAppOf(userAgent);
  return (
    <PatientPage clinic={clinic} title={t(`help.${help}.title`)} lead={help === 'in_app' && app ? t('help.in_app.lead.named', { app }) : t(`help.${help}.lead`)} next={t('help.next')}>
      <ol className={css.steps}>
        {t(stepsOf(help, userAgent)).split('\n').map((step) => <li key={step}>{step}</li>)}
      </ol>
      <Button kind="primary" large wide onClick={onAgain}>{t('try_again')}</Button>
      <Button large wide onClick={onBack}>{t('help.back')}</Button>
    </PatientPage>
  );
}
