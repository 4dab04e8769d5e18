// Canaries: words that stand nowhere else, planted as patients' data and as secrets, and the search for them in
// whatever form somebody may have written them down.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** In every planted text; so one search finds them all, whatever else a field wants. */
export const MARK = 'Zqanarivogel';
/** The same for what must be digits: a phone number, a record number. */
const DIGITS = '7731904';
/** A birth date that nobody else has. */
export const BORN = '1903-07-29';

let planted = 0;

/** A text with the mark, different each time. */
export const text = (what = '') => `${what}${MARK} ö${(planted += 1)}`;
/** A name as people have them. */
export const name = () => `Ana ${MARK} Ñandú${(planted += 1)}`;
export const email = () => `${MARK.toLowerCase()}${(planted += 1)}@example.org`;
export const phone = () => `+1 773 190 4${String((planted += 1)).padStart(3, '0')}`;
export const number = () => `${DIGITS}${(planted += 1)}`;

/** What a secret or a marked text may look like when somebody wrote it down: `{form: bytes}`. */
export function forms(word) {
  const bytes = Buffer.from(word);
  const found = {
    'UTF-8': bytes,
    'UTF-16': Buffer.from(word, 'utf16le'),
    hex: Buffer.from(bytes.toString('hex')),
    HEX: Buffer.from(bytes.toString('hex').toUpperCase()),
    percent: Buffer.from([...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')),
    PERCENT: Buffer.from([...bytes].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')),
    'JSON escapes': Buffer.from([...word].map((letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')),
  };
  // Base64 of a longer text: three ways to fall on the groups of three bytes. The letters at the edges depend on neighbours.
  for (const before of [0, 1, 2]) {
    const whole = Buffer.concat([Buffer.alloc(before), bytes]);
    const kept = whole.subarray(0, whole.length - (whole.length % 3)).toString('base64');
    const sure = kept.slice(before === 0 ? 0 : 4);
    found[`base64 +${before}`] = Buffer.from(sure);
    const url = sure.replaceAll('+', '-').replaceAll('/', '_');
    if (url !== sure) found[`base64url +${before}`] = Buffer.from(url);
  }
  return found;
}

/** Without zero bytes UTF-16 of either order looks like UTF-8, and a write-ahead log is a tenth of its length. */
function withoutZeros(bytes) {
  const dense = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  for (const byte of bytes) {
    if (byte !== 0) dense[length++] = byte;
  }
  return dense.subarray(0, length);
}

/** Looks for all that was planted. Secrets are added as they are given out. */
export class Search {
  #needles = [];

  constructor() {
    this.#add('a planted text', MARK, MARK.toLowerCase(), MARK.toUpperCase());
    this.#add('a planted number', DIGITS, '773 190 4', '773-190-4', '773.190.4', '(773) 190-4');
    this.#add('a planted birth date', BORN, BORN.replaceAll('-', ''), '29.07.1903', '07/29/1903');
  }

  #add(what, ...words) {
    for (const word of words) {
      for (const [form, bytes] of Object.entries(forms(word))) {
        if (form !== 'UTF-16') this.#needles.push({ what, form, bytes });
      }
    }
  }

  /** A secret that the server gave out, or data that it was started with. Short words are found everywhere, so they are refused. */
  watch(what, word) {
    if (word.length < 8) throw new Error(`${what}: too short to look for`);
    if (!this.#needles.some(({ form, bytes }) => form === 'UTF-8' && bytes.equals(Buffer.from(word)))) this.#add(what, word);
  }

  get size() {
    return this.#needles.length;
  }

  /** What is found in `bytes`, in sentences without the words themselves. */
  in(where, bytes) {
    const dense = withoutZeros(bytes);
    return this.#needles.filter(({ bytes: needle }) => dense.includes(needle)).map(({ what, form }) => `${what}, as ${form}, in ${where}`);
  }

  /** The same in every file below `folder`, its names too, except in files of these names. */
  below(folder, except = []) {
    const found = [];
    let files = 0;
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath ?? entry.path, entry.name);
      found.push(...this.in(`the name ${path.slice(folder.length)}`, Buffer.from(entry.name)));
      if (!entry.isFile() || except.includes(entry.name)) continue;
      files += 1;
      let bytes;
      try {
        bytes = readFileSync(path);
      } catch (error) {
        // PostgreSQL tidies up its own files meanwhile.
        if (error.code === 'ENOENT') continue;
        throw error;
      }
      found.push(...this.in(path.slice(folder.length + 1), bytes));
    }
    if (files === 0) throw new Error(`there is nothing in ${folder}`);
    return found;
  }
}
