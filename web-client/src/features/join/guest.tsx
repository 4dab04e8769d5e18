// A guest's first step: as what they were invited, and the name that the others will see.

import { useRef, useState, type FormEvent } from 'react';
import type { GuestPage } from '../../lib/api/types';
import { useText } from '../../lib/i18n/text';
import { Button, ErrorText, problemText, TextField } from '../../lib/ui';
import type { Join } from './join';
import css from './join.module.css';
import { PatientPage, type Clinic } from './page';

export function NameStep({ join, clinic, page }: { join: Join; clinic: Clinic; page: GuestPage }) {
  const { t } = useText();
  const [name, setName] = useState(page.name);
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const field = useRef<HTMLInputElement>(null);
  const missing = name.trim() === '';

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (missing) {
      field.current?.focus();
      return;
    }
    setBusy(true);
    setError(await join.arrive(name.trim()).catch((unexpected: unknown) => unexpected));
    setBusy(false);
  };
  return (
    <PatientPage clinic={clinic} step={[1, 3]} title={t('guest.name.title')} lead={t('guest.name.intro', { role: t(`role.${page.role}`).toLowerCase(), clinic: page.clinic_name })} next={t('guest.name.next')}>
      <form onSubmit={(event) => void submit(event)} className={css.form} noValidate>
        <TextField ref={field} label={t('guest.name.label')} hint={t('guest.name.hint')} value={name} maxLength={100} autoComplete="name" onChange={(event) => setName(event.target.value)} error={tried && missing && t('guest.name.error')} />
        {Boolean(error) && <ErrorText>{problemText(t, error)}</ErrorText>}
        <Button type="submit" kind="primary" large wide busy={busy}>{t('continue')}</Button>
      </form>
    </PatientPage>
  );
}
