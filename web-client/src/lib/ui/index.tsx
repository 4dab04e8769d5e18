// The one set of components. Native controls throughout, so that keyboard, screen reader and phone do what people expect;
// no page styles a button or a field of its own.

import { useEffect, useId, useRef, type ButtonHTMLAttributes, type ComponentProps, type ReactNode, type SelectHTMLAttributes, type TextareaHTMLAttributes } from 'react';
import { Problem } from '../api/client';
import { LANGS, setLang, useText, type Translate } from '../i18n/text';
import { Icon, type IconName } from './icon';
import css from './ui.module.css';

export { Icon, type IconName } from './icon';

export function classes(...names: (string | false | null | undefined)[]): string {
  return names.filter(Boolean).join(' ');
}

export type ButtonKind = 'plain' | 'primary' | 'quiet' | 'danger' | 'stage' | 'stageOn' | 'stageDanger';

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: ButtonKind;
  large?: boolean;
  wide?: boolean;
  icon?: IconName;
  /** At work: can't be pressed again, and says so to a screen reader. */
  busy?: boolean;
}

export function Button({ kind = 'plain', large, wide, icon, busy, className, children, disabled, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      disabled={disabled}
      aria-busy={busy || undefined}
      onClick={busy ? (event) => event.preventDefault() : rest.onClick}
      className={classes(css.button, css[kind], large && css.large, wide && css.wide, className)}
    >
      {busy ? <span className={css.spinner} aria-hidden="true" /> : icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

/** The look of a button for something that goes somewhere. */
export function buttonLook(kind: ButtonKind = 'plain', large = false): string {
  return classes(css.button, css[kind], large && css.large);
}

interface Labelled {
  label: ReactNode;
  hint?: ReactNode;
  error?: ReactNode;
  labelHidden?: boolean;
}

function Field({ id, label, hint, error, labelHidden, children, className }: Labelled & { id: string; children: ReactNode; className?: string | undefined }) {
  return (
    <div className={classes(css.field, className)}>
      <label htmlFor={id} className={labelHidden ? 'visually-hidden' : css.label}>{label}</label>
      {hint && <p id={`${id}-hint`} className={css.hint}>{hint}</p>}
      {children}
      {error && <ErrorText id={`${id}-error`}>{error}</ErrorText>}
    </div>
  );
}

export function ErrorText({ id, children }: { id?: string; children: ReactNode }) {
  return <p id={id} className={css.error} role="alert"><span>{children}</span></p>;
}

function described(id: string, hint: ReactNode, error: ReactNode) {
  return { 'aria-describedby': classes(Boolean(hint) && `${id}-hint`, Boolean(error) && `${id}-error`) || undefined, 'aria-invalid': error ? true : undefined };
}

export function TextField({ label, hint, error, labelHidden, className, ...rest }: Labelled & ComponentProps<'input'>) {
  const own = useId();
  const id = rest.id ?? own;
  return (
    <Field {...{ id, label, hint, error, labelHidden, className }}>
      <input {...described(id, hint, error)} {...rest} id={id} className={css.input} />
    </Field>
  );
}

export function TextArea({ label, hint, error, labelHidden, className, ...rest }: Labelled & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const own = useId();
  const id = rest.id ?? own;
  return (
    <Field {...{ id, label, hint, error, labelHidden, className }}>
      <textarea {...described(id, hint, error)} {...rest} id={id} className={css.input} />
    </Field>
  );
}

export function SelectField({ label, hint, error, labelHidden, className, children, ...rest }: Labelled & SelectHTMLAttributes<HTMLSelectElement>) {
  const own = useId();
  const id = rest.id ?? own;
  return (
    <Field {...{ id, label, hint, error, labelHidden, className }}>
      <select {...described(id, hint, error)} {...rest} id={id} className={css.input}>{children}</select>
    </Field>
  );
}

export type Tone = 'plain' | 'accent' | 'strong' | 'warn' | 'danger';

export function Pill({ tone = 'plain', icon, children }: { tone?: Tone; icon?: IconName; children: ReactNode }) {
  return <span className={classes(css.pill, css[tone])}>{icon && <Icon name={icon} size={16} />}<span>{children}</span></span>;
}

export function Notice({ tone = 'plain', title, children, action, live }: { tone?: Exclude<Tone, 'strong'>; title?: ReactNode; children?: ReactNode; action?: ReactNode; live?: boolean }) {
  return (
    <div className={classes(css.notice, css[tone])} role={live ? 'status' : undefined}>
      <div className={css.noticeText}>{title && <strong>{title}</strong>}{children}</div>
      {action}
    </div>
  );
}

interface DialogProps {
  title: ReactNode;
  children: ReactNode;
  actions: ReactNode;
  /** Escape and the like. Absent: only the buttons close it. */
  onClose?: () => void;
  /** At the bottom, so that what is behind stays in view. */
  sheet?: boolean;
}

/** A modal dialog; shown while it is rendered. The browser keeps the focus inside and gives it back. */
export function Dialog({ title, children, actions, onClose, sheet }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={ref}
      aria-labelledby={id}
      className={classes(css.dialog, sheet && css.sheet)}
      onCancel={(event) => {
        event.preventDefault();
        onClose?.();
      }}
    >
      <h2 id={id}>{title}</h2>
      <div className={css.body}>{children}</div>
      <div className={css.actions}>{actions}</div>
    </dialog>
  );
}

export function Loading({ children }: { children?: ReactNode }) {
  const { t } = useText();
  return <p className={css.loading} role="status"><span className={css.spinner} aria-hidden="true" />{children ?? t('loading')}</p>;
}

/** `alone`: it is the whole page, so its title is the page's heading. */
export function Empty({ icon = 'calendar', title, children, action, alone }: { icon?: IconName; title: ReactNode; children?: ReactNode; action?: ReactNode; alone?: boolean }) {
  return (
    <div className={css.state}>
      <Icon name={icon} size={36} />
      {alone ? <h1>{title}</h1> : <h2>{title}</h2>}
      {children && <p>{children}</p>}
      {action}
    </div>
  );
}

/** An error in the place of what could not be shown: what happened, what to do, the request's number for support. */
export function Failed({ error, onRetry }: { error: unknown; onRetry?: (() => void) | undefined }) {
  const { t } = useText();
  const forbidden = error instanceof Problem && error.status === 403;
  return (
    <div className={css.state} role="alert">
      <Icon name={forbidden ? 'lock' : 'warning'} size={36} />
      <p>{problemText(t, error)}</p>
      {onRetry && !forbidden && <Button onClick={onRetry}>{t('try_again')}</Button>}
    </div>
  );
}

/** What to tell a person about an error that no page has words of its own for. */
export function problemText(t: Translate, error: unknown): string {
  if (!(error instanceof Problem)) return t('problem.server');
  if (error.code === 'network') return t('problem.network');
  if (error.status === 429) return t('problem.rate_limited', { seconds: error.retryAfterS ?? 60 });
  if (error.status === 401) return t('problem.signed_out');
  if (error.code === 'second_factor.stale') return t('problem.stale');
  if (error.status === 403) return t('problem.forbidden');
  if (error.status === 404) return t('problem.not_found');
  const text = error.status >= 500 || !error.detail ? t('problem.server') : error.detail;
  return error.requestId ? `${text} ${t('problem.request', { id: error.requestId })}` : text;
}

export function LanguageSwitch({ className }: { className?: string | undefined }) {
  const { t, lang } = useText();
  return (
    <div className={classes(css.language, className)} role="group" aria-label={t('language')}>
      {LANGS.filter((one) => one !== lang).map((one) => (
        <Button key={one} kind="quiet" lang={one} onClick={() => void setLang(one)}>{t(`language.${one}`)}</Button>
      ))}
    </div>
  );
}
