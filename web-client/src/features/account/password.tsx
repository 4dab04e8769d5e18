// Changing one's own password, in a dialog.

import { useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { post } from '../../lib/api/client';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog, ErrorText, Notice, TextField } from '../../lib/ui';
import { checkPair, PASSWORD_RULES } from '../session/invitation';
import { useSubmit } from '../session/submit';
import css from './account.module.css';

export function PasswordSection() {
  const { t } = useText();
  const [open, setOpen] = useState(false);
  const [changed, setChanged] = useState(false);
  return (
    <section aria-labelledby="password" className={css.section}>
      <h2 id="password">{t('account.password')}</h2>
      <p className={css.quiet}>{t('account.password.body')}</p>
      {changed && <Notice tone="accent" live>{t('account.password.changed')}</Notice>}
      <Button onClick={() => { setChanged(false); setOpen(true); }}>{t('account.password.change')}</Button>
      {open && <ChangeDialog onClose={() => setOpen(false)} onChanged={() => { setOpen(false); setChanged(true); }} />}
    </section>
  );
}

function ChangeDialog({ onClose, onChanged }: { onClose: () => void; onChanged: () => void }) {
  const { t } = useText();
  const queries = useQueryClient();
  const [old, setOld] = useState('');
  const [password, setPassword] = useState('');
  const [again, setAgain] = useState('');
  const { busy, error, run } = useSubmit({ ...PASSWORD_RULES, 'password.wrong': 'password.wrong' });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(old ? checkPair(password, again, t) : t('password.old.missing'), async () => {
      await post('/account/password', { old, new: password });
      void queries.invalidateQueries({ queryKey: ['account'] });
      onChanged();
    });
  };
  return (
    <Dialog
      title={t('account.password.change')}
      onClose={onClose}
      actions={<><Button onClick={onClose}>{t('cancel')}</Button><Button type="submit" form="change-password" kind="primary" busy={busy}>{t('account.password.change')}</Button></>}
    >
      <form id="change-password" onSubmit={submit} noValidate className={css.form}>
        <TextField type="password" autoComplete="current-password" label={t('password.old')} value={old} onChange={(event) => setOld(event.target.value)} />
        <TextField type="password" autoComplete="new-password" label={t('password.new')} hint={t('password.hint')} value={password} onChange={(event) => setPassword(event.target.value)} />
        <TextField type="password" autoComplete="new-password" label={t('password.again')} value={again} onChange={(event) => setAgain(event.target.value)} />
        {error && <ErrorText>{error}</ErrorText>}
      </form>
    </Dialog>
  );
}
