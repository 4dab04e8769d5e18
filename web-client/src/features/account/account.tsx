// One's own account: password, second factors, recovery codes, where one is signed in, and recent sign-ins.

import type { Me } from '../../lib/api/types';
import { useText } from '../../lib/i18n/text';
import { useTitle } from '../../lib/ui/now';
import { Factors } from './factors';
import { PasswordSection } from './password';
import { Sessions } from './sessions';
import { SignIns } from './sign-ins';
import css from './account.module.css';

export function Account({ me }: { me: Me }) {
  const { t } = useText();
  useTitle(`${t('account.title')} · ${me.clinic.name}`);
  return (
    <div className={css.page}>
      <header><h1>{t('account.title')}</h1><p className={css.quiet}>{me.name}, {t(`role.${me.role}`)}, {me.clinic.name}</p></header>
      <Factors />
      <PasswordSection />
      <Sessions />
      <section aria-labelledby="sign-ins" className={css.section}>
        <h2 id="sign-ins">{t('account.sign_ins')}</h2>
        <p className={css.quiet}>{t('account.sign_ins.body')}</p>
        <SignIns path="/account/sign-ins" />
      </section>
    </div>
  );
}
