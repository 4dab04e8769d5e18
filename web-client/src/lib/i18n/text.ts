// The reader's language: catalogues, which one is in use, and `t`. Only the chosen language is loaded.

import { useSyncExternalStore } from 'react';
import { Store } from '../store';
import { catalogues, type Area, type TextKey } from './catalogues';

export type { TextKey };
export type Lang = 'en' | 'es';
export type Params = Record<string, string | number>;
export type Translate = (key: TextKey, params?: Params) => string;

export const LANGS: readonly Lang[] = ['en', 'es'];
const KEPT = 'bedside.lang';

let texts: Partial<Record<TextKey, string>> = {};
let areas: Area[] = ['common'];
const state = new Store<{ lang: Lang; t: Translate }>({ lang: 'en', t: translate });

function translate(key: TextKey, params: Params = {}): string {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
}

/** Loads the catalogues that a part of the site needs, in the language kept from last time or the browser's. */
export async function startTexts(wanted: Area[]): Promise<void> {
  areas = wanted;
  await load(kept() ?? browsers());
}

export async function setLang(lang: Lang): Promise<void> {
  try {
    localStorage.setItem(KEPT, lang);
  } catch {
    // Private windows may refuse storage; the choice then lasts as long as the page.
  }
  await load(lang);
}

export function useText(): { t: Translate; lang: Lang } {
  return useSyncExternalStore(state.subscribe, state.get);
}

async function load(lang: Lang): Promise<void> {
  const parts = await Promise.all(areas.map((area) => catalogues[area][lang]()));
  texts = Object.assign({}, ...parts.map((part) => part.texts)) as Partial<Record<TextKey, string>>;
  document.documentElement.lang = lang;
  // A new function each time, so that views that depend on it are drawn again.
  state.set({ lang, t: (key, params) => translate(key, params) });
}

function kept(): Lang | null {
  try {
    const lang = localStorage.getItem(KEPT);
    return lang === 'en' || lang === 'es' ? lang : null;
  } catch {
    return null;
  }
}

function browsers(): Lang {
  return navigator.languages.map((tag) => tag.slice(0, 2)).find((tag): tag is Lang => tag === 'en' || tag === 'es') ?? 'en';
}
