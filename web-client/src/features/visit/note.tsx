// The note beside the picture: writing, signing, and what may be added afterwards.

import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState, type FormEvent } from 'react';
import { call, get, post, Problem } from '../../lib/api/client';
import type { Note as NoteData } from '../../lib/api/types';
import { clock, moment } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Button, Dialog, ErrorText, Failed, Loading, Pill, problemText, TextArea } from '../../lib/ui';
import { useWatched } from '../../lib/ui/now';
import { anythingUnsaved, draftOf, type NoteDraft, type NoteIo, type NoteStatus } from './note-draft';
import css from './note.module.css';

function noteIo(visit: string): NoteIo {
  const path = `/visits/${visit}/note`;
  const ifMatch = (version: number) => `"${version}"`;
  return {
    load: () => get<NoteData>(path, { background: true }),
    save: async (body, version) => (await call<NoteData>(path, { method: 'PUT', body: { body }, ifMatch: ifMatch(version) })).body,
    sign: (version) => post<NoteData>(`${path}/sign`, undefined, { ifMatch: ifMatch(version) }),
    addend: (body) => post<NoteData>(`${path}/addenda`, { body }),
  };
}

export function Note({ visit, mayWrite }: { visit: string; mayWrite: boolean }) {
  const { t } = useText();
  const draft = draftOf(visit, () => noteIo(visit));
  const { note, loadError } = useWatched(draft.state);
  useEffect(() => {
    void draft.load();
    const warn = (event: BeforeUnloadEvent) => {
      if (anythingUnsaved()) event.preventDefault();
    };
    addEventListener('beforeunload', warn);
    return () => {
      removeEventListener('beforeunload', warn);
      void draft.save();
    };
  }, [draft]);

  return (
    <section className={css.note} aria-label={t('note.title')}>
      {!note && Boolean(loadError) && (loadError instanceof Problem && loadError.status === 403 ? <p>{t('note.forbidden')}</p> : <Failed error={loadError} onRetry={() => void draft.load()} />)}
      {!note && !loadError && <Loading />}
      {note && (note.state === 'signed' ? <Signed draft={draft} note={note} mayWrite={mayWrite} /> : mayWrite ? <Editor draft={draft} note={note} /> : <Draft note={note} />)}
    </section>
  );
}

function Draft({ note }: { note: NoteData }) {
  const { t } = useText();
  return <><Head><Pill>{t(`note_state.${note.state}`)}</Pill></Head><p className={css.body}>{note.body || t('note.none')}</p></>;
}

function Head({ children }: { children?: React.ReactNode }) {
  const { t } = useText();
  return <header className={css.head}><h2>{t('note.title')}</h2>{children}</header>;
}

function Editor({ draft, note }: { draft: NoteDraft; note: NoteData }) {
  const { t } = useText();
  const { text, status } = useWatched(draft.state);
  const queries = useQueryClient();
  const [signing, setSigning] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');

  const sign = async () => {
    setBusy(true);
    setError('');
    try {
      if (await draft.sign()) await queries.invalidateQueries({ queryKey: ['clinic'] });
    } catch (problem) {
      setError(problemText(t, problem));
      void draft.load();
    }
    setBusy(false);
    setSigning(false);
  };
  return (
    <>
      <Head>{note.state === 'draft' && <Pill>{t('note_state.draft')}</Pill>}</Head>
      {status.is === 'conflict' && <Conflict draft={draft} theirs={status.theirs} mine={text} />}
      <TextArea className={css.editor} label={t('note.label')} labelHidden placeholder={t('note.placeholder')} value={text} onChange={(event) => draft.type(event.target.value)} onBlur={() => void draft.save()} />
      <div className={css.foot}>
        <Saved status={status} empty={!text} />
        {error && <ErrorText>{error}</ErrorText>}
        <div className={css.buttons}>
          <Button disabled={status.is === 'conflict'} onClick={() => void draft.save()}>{t('note.save')}</Button>
          <Button kind="primary" disabled={status.is === 'conflict'} onClick={() => (text.trim() ? setSigning(true) : setError(t('note.sign.empty')))}>{t('note.sign')}</Button>
        </div>
      </div>
      {signing && (
        <Dialog title={t('note.sign.title')} onClose={() => setSigning(false)} actions={<><Button onClick={() => setSigning(false)}>{t('note.sign.cancel')}</Button><Button kind="primary" busy={busy} onClick={() => void sign()}>{t('note.sign')}</Button></>}>
          <p>{t('note.sign.body')}</p>
        </Dialog>
      )}
    </>
  );
}

function Saved({ status, empty }: { status: NoteStatus; empty: boolean }) {
  const { t, lang } = useText();
  const text = () => {
    switch (status.is) {
      case 'clean': return status.at !== null ? t('note.saved', { time: clock(lang, status.at) }) : empty ? t('note.none') : '';
      case 'dirty': return t('note.unsaved');
      case 'saving': return t('note.saving');
      case 'failed': return t('note.save_failed', { why: problemText(t, status.error) });
      case 'conflict': return t('note.unsaved');
    }
  };
  return <p className={css.saved} role="status" data-bad={status.is === 'failed' || undefined}>{text()}</p>;
}

function Conflict({ draft, theirs, mine }: { draft: NoteDraft; theirs: NoteData; mine: string }) {
  const { t } = useText();
  const signed = theirs.state === 'signed';
  return (
    <div className={css.conflict} role="alert">
      <h3>{t('note.conflict.title')}</h3>
      <p>{signed ? t('note.conflict.signed') : t('note.conflict.body')}</p>
      <h4>{signed ? t('note.mine') : t('note.conflict.theirs')}</h4>
      <p className={css.body}>{signed ? mine : theirs.body}</p>
      <div className={css.buttons}>
        {!signed && <Button kind="primary" onClick={() => draft.resolve('mine')}>{t('note.conflict.keep')}</Button>}
        <Button onClick={() => draft.resolve('theirs')}>{t('note.conflict.take')}</Button>
      </div>
    </div>
  );
}

function Signed({ draft, note, mayWrite }: { draft: NoteDraft; note: NoteData; mayWrite: boolean }) {
  const { t, lang } = useText();
  const [text, setText] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!text.trim()) {
      setError(t('note.addendum.missing'));
      return;
    }
    setBusy(true);
    setError('');
    try {
      await draft.addend(text.trim());
      setText('');
    } catch (problem) {
      setError(problemText(t, problem));
    }
    setBusy(false);
  };
  return (
    <div className={css.signed}>
      <Head><Pill tone="accent" icon="lock">{t('note.signed')}</Pill></Head>
      <p className={css.body}>{note.body}</p>
      {note.signed_at && <p className={css.saved}>{t('note.signed_by', { name: note.signed_by ?? '', time: moment(lang, note.signed_at) })}</p>}
      {note.addenda.length > 0 && (
        <>
          <h3>{t('note.addenda')}</h3>
          <ol className={css.addenda}>
            {note.addenda.map((one, n) => <li key={n}><p className={css.body}>{one.body}</p><p className={css.saved}>{t('note.addendum.by', { author: one.author, time: moment(lang, one.at) })}</p></li>)}
          </ol>
        </>
      )}
      {mayWrite && (
        <form onSubmit={(event) => void submit(event)} className={css.addendum}>
          <TextArea label={t('note.addendum.label')} rows={3} value={text} onChange={(event) => setText(event.target.value)} error={error} />
          <Button type="submit" busy={busy}>{t('note.addendum.add')}</Button>
        </form>
      )}
    </div>
  );
}
