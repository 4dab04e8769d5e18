// The patient's link: made anew when asked for (the server keeps only its hash, so an old one can't be shown again).

import { useQueryClient } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { post, remove } from '../../lib/api/client';
import type { LinkIssued } from '../../lib/api/types';
import { moment } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog, ErrorText, Notice, problemText, TextField } from '../../lib/ui';
import css from './dialog.module.css';

export function LinkDialog({ appointment, patient, onClose }: { appointment: string; patient: string; onClose: () => void }) {
  const { t, lang } = useText();
  const queries = useQueryClient();
  const [link, setLink] = useState<LinkIssued | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const [revoked, setRevoked] = useState(false);
  const run = async (work: () => Promise<void>) => {
    setBusy(true);
    setError('');
    try {
      await work();
      void queries.invalidateQueries({ queryKey: ['clinic', 'today'] });
    } catch (problem) {
      setError(problemText(t, problem));
    }
    setBusy(false);
  };
  const make = () => run(async () => {
    setLink(await post<LinkIssued>(`/appointments/${appointment}/link`));
    setRevoked(false);
  });
  const revoke = () => run(async () => {
    await remove(`/appointments/${appointment}/link`);
    setLink(null);
    setRevoked(true);
  });
  return (
    <Dialog
      title={t('link.title', { name: patient })}
      onClose={onClose}
      actions={
        <>
          <Button kind="quiet" onClick={() => void revoke()}>{t('link.revoke')}</Button>
          {!link && <Button kind="primary" busy={busy} onClick={() => void make()}>{t('link.make')}</Button>}
          <Button onClick={onClose}>{t('close')}</Button>
        </>
      }
    >
      <p>{t('link.intro')}</p>
      {link ? <CopyLink link={link.link} valid={t('link.valid', { opens: moment(lang, link.opens_at), expires: moment(lang, link.expires_at) })} /> : <p>{t('link.replace')}</p>}
      {revoked && <Notice live>{t('link.revoked')}</Notice>}
      {error && <ErrorText>{error}</ErrorText>}
    </Dialog>
  );
}

export function CopyLink({ link, valid }: { link: string; valid: string }) {
  const { t } = useText();
  const [copied, setCopied] = useState(false);
  const field = useRef<HTMLDivElement>(null);
  const copy = async () => {
    field.current?.querySelector('input')?.select();
    await navigator.clipboard.writeText(link).then(() => setCopied(true), () => setCopied(false));
  };
  return (
    <div ref={field} className={css.copy}>
      <TextField label={t('link.label')} hint={valid} value={link} readOnly onFocus={(event) => event.target.select()} />
      <Button kind="primary" icon={copied ? 'check' : 'link'} onClick={() => void copy()}>{copied ? t('link.copied') : t('link.copy')}</Button>
    </div>
  );
}
