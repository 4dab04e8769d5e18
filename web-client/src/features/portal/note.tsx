// One past visit: the signed note, exactly as it was signed, with what was added later; and its recordings, if the clinic shares them.

import { Problem } from '../../lib/api/client';
import type { PortalNote, Recording } from '../../lib/api/types';
import { length, moment } from '../../lib/i18n/format';
import { useText } from '../../lib/i18n/text';
import { Inner, Shown, type PageProps } from './page';
import css from './portal.module.css';
import { useReading } from './reading';

export function Note({ clinic, person, timeZone, visit }: PageProps & { visit: string }) {
  const { t, lang } = useText();
  const of = `?patient=${person.patient_id}`;
  const reading = useReading<PortalNote>(`/portal/visits/${visit}/note${of}`);
  // Not shared, and none there, look alike.
  const recordings = useReading<{ items: Recording[] }>(`/portal/visits/${visit}/recordings${of}`).data?.items.filter(({ state }) => state === 'ready') ?? [];
  const unsigned = reading.error instanceof Problem && reading.error.status === 404;
  return (
    <Inner clinic={clinic} person={person} title={t('portal.note.title')}>
      {unsigned ? <p className={css.quiet}>{t('portal.note.none')}</p> : <Shown reading={reading}>{(note) => (
        <>
          <p className={css.quiet}>{t('portal.note.signed', { name: note.signed_by ?? '', time: note.signed_at ? moment(lang, note.signed_at, timeZone) : '' })}</p>
          <article className={css.note}><p>{note.body}</p></article>
          {note.addenda.map((addendum) => (
            <article key={addendum.at} className={css.note}>
              <h2>{t('portal.note.added', { name: addendum.author, time: moment(lang, addendum.at, timeZone) })}</h2>
              <p>{addendum.body}</p>
            </article>
          ))}
        </>
      )}</Shown>}
      {recordings.map((recording) => (
        <section key={recording.recording_id} aria-labelledby={recording.recording_id} className={css.section}>
          <h2 id={recording.recording_id}>{t('portal.recording', { time: moment(lang, recording.started_at, timeZone), length: length(recording.duration_ms ?? 0) })}</h2>
          <video controls preload="metadata" className={css.video} aria-labelledby={recording.recording_id} src={`/api/v1/portal/recordings/${recording.recording_id}/media${of}`} />
        </section>
      ))}
      <p>{t('portal.note.questions', { clinic: clinic.name })}</p>
    </Inner>
  );
}
