import { expect, test } from 'vitest';
import { browserOf, inAppOf } from './browser';

const IPHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)';
const PIXEL = 'Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko)';
const WINDOWS = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64)';

test.each([
  [`${IPHONE} Version/18.1 Mobile/15E148 Safari/604.1`, 'safari_ios', null],
  [`${IPHONE} CriOS/131.0 Mobile/15E148 Safari/604.1`, 'chrome_ios', null],
  [`${IPHONE} Mobile/15E148 [FBAN/FBIOS;FBAV/490.0]`, 'safari_ios', 'Facebook'],
  [`${IPHONE} Mobile/15E148`, 'safari_ios', ''],
  [`${IPHONE} GSA/345.0 Mobile/15E148 Safari/604.1`, 'safari_ios', 'Google'],
  [`${PIXEL} Chrome/131.0 Mobile Safari/537.36`, 'chrome_android', null],
  [`${PIXEL} SamsungBrowser/27.0 Chrome/125.0 Mobile Safari/537.36`, 'samsung', null],
  ['Mozilla/5.0 (Linux; Android 15; Pixel 8; wv) AppleWebKit/537.36 Version/4.0 Chrome/131.0 Mobile Safari/537.36', 'chrome_android', ''],
  [`${PIXEL} Chrome/131.0 Mobile Safari/537.36 Instagram 350.0`, 'chrome_android', 'Instagram'],
  ['Mozilla/5.0 (Android 15; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0', 'firefox_android', null],
  [`${WINDOWS} AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36`, 'chrome_desktop', null],
  [`${WINDOWS} AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36 Edg/131.0`, 'edge_desktop', null],
  [`${WINDOWS}; rv:133.0) Gecko/20100101 Firefox/133.0`, 'firefox_desktop', null],
  ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15', 'safari_mac', null],
  ['Lynx/2.9', 'other', null],
])('%s', (userAgent, browser, app) => {
  expect(browserOf(userAgent)).toBe(browser);
  expect(inAppOf(userAgent)).toBe(app);
});
