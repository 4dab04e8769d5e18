// Which browser this is, as far as it decides which button to press. A guess by what it says of itself.

export type Browser = 'chrome_desktop' | 'edge_desktop' | 'firefox_desktop' | 'safari_mac' | 'chrome_android' | 'samsung' | 'firefox_android' | 'safari_ios' | 'chrome_ios' | 'other';

/** Browsers that mail and social apps open links in; many of them give no page a camera. */
const IN_APP: readonly (readonly [RegExp, string])[] = [
  [/FBAN|FBAV|FB_IAB/, 'Facebook'],
  [/Instagram/, 'Instagram'],
  [/LinkedInApp/, 'LinkedIn'],
  [/Snapchat/, 'Snapchat'],
  [/Twitter/, 'X'],
  [/Line\//, 'LINE'],
  [/MicroMessenger/, 'WeChat'],
  [/TikTok|musical_ly|BytedanceWebview/, 'TikTok'],
  [/WhatsApp/, 'WhatsApp'],
  [/GSA\//, 'Google'],
  [/YahooMobile|YJApp/, 'Yahoo'],
  [/; wv\)/, ''],
];

export function browserOf(userAgent: string): Browser {
  const has = (form: RegExp) => form.test(userAgent);
  // iPads say that they are Macs; only their touch tells.
  const ios = has(/iPhone|iPad|iPod/) || (has(/Macintosh/) && globalThis.navigator?.maxTouchPoints > 1);
  if (ios) return has(/CriOS|EdgiOS|FxiOS/) ? 'chrome_ios' : 'safari_ios';
  if (has(/Android/)) return has(/SamsungBrowser/) ? 'samsung' : has(/Firefox/) ? 'firefox_android' : has(/Chrome/) ? 'chrome_android' : 'other';
  if (has(/Edg\//)) return 'edge_desktop';
  if (has(/Firefox\//)) return 'firefox_desktop';
  if (has(/Chrome\//)) return 'chrome_desktop';
  return has(/Macintosh.*Safari\//) ? 'safari_mac' : 'other';
}

/** The app whose own browser this is: its name, `''` if it does not say, null if it is a browser of its own. */
export function inAppOf(userAgent: string): string | null {
  const named = IN_APP.find(([form]) => form.test(userAgent))?.[1];
  if (named !== undefined) return named;
  // A page inside an app on an iPhone does not call itself Safari.
  return /iPhone|iPad/.test(userAgent) && !/Safari\//.test(userAgent) ? '' : null;
}
