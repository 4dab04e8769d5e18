// Staff sign in by their organisation's OpenID provider: a real one, in a real browser; and what ill-meaning people try.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { DESK, openBrowser } from './lib/browser.mjs';
import { Client, expectStatus } from './lib/http.mjs';
import { IllProvider, RealProvider } from './lib/openid.mjs';
import { Server } from './lib/server.mjs';
import { freshCode } from './lib/totp.mjs';

// The demonstration's clinic has the same id everywhere: UUIDv5 of its domain.
const CLINIC = '071b7025-d03c-57e4-a6d1-864b10bf315f';
const SECRET = 'a secret of the test';
/** Where one goes whose local second factor comes next. */
const NEXT = '/?sso=second_factor&factors=totp';

/** Everybody comes from an address of their own: how often one may ask is tested elsewhere. */
class Visitor extends Client {
  static #next = 0;
  #address = `198.51.100.${(Visitor.#next += 1) % 250}`;

  send(method, path, options = {}) {
    return super.send(method, path, { ...options, headers: { 'x-forwarded-for': this.#address, ...options.headers } });
  }
}

const block = (id, issuer, more = '') => `
[[sso]]
id = "${id}"
clinic = "${CLINIC}"
issuer = "${issuer}"
client_id = "${id}-client"
client_secret = "${SECRET}"
email_domains = ["riverside.example"]
label = "Sign in with ${id}"
${more}`;

describe('sign-in by a provider', { timeout: 240_000 }, () => {
  let server, demo, real, other, ill, folder, redirect;

  before(async () => {
    [real, other, ill] = await Promise.all([RealProvider.open(), RealProvider.open(), IllProvider.open()]);
    folder = await mkdtemp(join(tmpdir(), 'bedside-sso-'));
    const file = join(folder, 'bedside.toml');
    await writeFile(file, [
      '[http]\ntrusted_proxies = ["127.0.0.1"]\n',
      block('riverside', real.issuer),
      block('strong', real.issuer, 'second_factor_amr = ["mfa"]'),
      block('other', other.issuer),
      block('ill', ill.issuer),
    ].join(''));
    server = await Server.start({ args: ['--config', file] });
    demo = await server.demo();
    assert.equal(demo.clinic.id, CLINIC);
    redirect = (id) => `${server.base}/api/v1/auth/sso/${id}/callback`;
    const client = (id) => ({ id: `${id}-client`, secret: SECRET, redirect: redirect(id) });
    const people = {
      maya: { email: demo.provider.email },
      shouting: { email: demo.provider.email.toUpperCase() },
      strong: { email: demo.provider.email, amr: ['mfa'] },
      ines: { email: demo.compliance.email, amr: ['mfa'] },
      unverified: { email: demo.provider.email, verified: false },
      nameless: {},
      stranger: { email: 'nobody@riverside.example' },
      foreigner: { email: 'maya.chen@elsewhere.example' },
    };
    real.serve({ clients: [client('riverside'), client('strong')], people });
    other.serve({ clients: [client('other')], people });
    ill.email = demo.provider.email;
    ill.audience = 'ill-client';
  });

  after(async () => {
    await server?.stop();
    await Promise.all([real, other, ill].map((provider) => provider?.close()));
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const start = async (client, id) => expectStatus(await client.post(`/auth/sso/${id}/start`), 200).body.location;
  /** What comes of an address that a provider has sent a browser to. */
  const back = async (client, address) => {
    const answer = expectStatus(await client.get(address), 303);
    return answer.headers.get('location');
  };
  const comesBack = async (id, account, client = new Visitor(server.base)) => {
    const address = await real.signIn(await start(client, id), account, { back: redirect(id) });
    return back(client, address);
  };
  const signedIn = async (client) => (await client.get('/me')).status === 200;

  test('in a browser: the button, the page of the provider, then the local second factor', async () => {
    const { browser, page } = await openBrowser({ base: server.base, viewport: DESK });
    try {
      await page.goto(server.base);
      await page.getByRole('button', { name: 'Sign in with riverside' }).click();
      await page.getByLabel('Account').fill('maya');
      await page.getByRole('button', { name: 'Sign in there' }).click();
      await page.getByRole('textbox', { name: /code/i }).fill(await freshCode(demo.provider.totp_secret));
      await page.getByRole('button', { name: 'Continue' }).click();
      await page.getByText(demo.provider.name).first().waitFor();
      assert.match(page.url(), /\/app/);
    } finally {
      await browser.close();
    }
  });

  test('in a browser: what went wrong is said in words, and the password still works', async () => {
    const { browser, page } = await openBrowser({ base: server.base, viewport: DESK });
    try {
      await page.goto(server.base);
      await page.getByRole('button', { name: 'Sign in with riverside' }).click();
      await page.getByLabel('Account').fill('stranger');
      await page.getByRole('button', { name: 'Sign in there' }).click();
      await page.getByText('There is no active account with your email address here.').waitFor();
      await page.getByRole('textbox', { name: /^Email/ }).waitFor();
    } finally {
      await browser.close();
    }
  });

  test('without the provider\'s second factor nobody is in yet; with it they are, if it is configured to count', async () => {
    const waiting = new Visitor(server.base);
    assert.equal(await comesBack('riverside', 'maya', waiting), NEXT);
    assert.equal(await signedIn(waiting), false);
    expectStatus(await waiting.post('/auth/totp', { code: await freshCode(demo.provider.totp_secret) }), 200);
    assert.equal(await signedIn(waiting), true);

    const strong = new Visitor(server.base);
    assert.equal(await comesBack('strong', 'strong', strong), '/app');
    assert.equal(await signedIn(strong), true);
    // The same proof counts for nothing where it is not configured, nor for a role that needs a key of its own.
    assert.equal(await comesBack('riverside', 'strong'), NEXT);
    assert.equal(await comesBack('strong', 'ines'), NEXT);
    assert.equal(await comesBack('strong', 'maya'), NEXT);
    assert.equal(await comesBack('riverside', 'shouting'), NEXT);
  });

  test('only a verified address of the clinic with an account signs in, and none is made', async () => {
    assert.equal(await comesBack('riverside', 'unverified'), '/?sso=unverified_email');
    assert.equal(await comesBack('riverside', 'nameless'), '/?sso=unverified_email');
    assert.equal(await comesBack('riverside', 'foreigner'), '/?sso=foreign_domain');
    assert.equal(await comesBack('riverside', 'stranger'), '/?sso=no_account');
    assert.equal(await comesBack('riverside', 'stranger'), '/?sso=no_account');
    assert.equal(await comesBack('riverside', 'refuse'), '/?sso=refused');
  });

  test('an answer counts once, only in the browser that asked, and only for what was asked', async () => {
    const victim = new Visitor(server.base);
    const location = await start(victim, 'riverside');
    const address = await real.signIn(location, 'maya', { back: redirect('riverside') });
    const changed = (name, value) => {
      const url = new URL(address);
      url.searchParams.set(name, value);
      return url.href;
    };
    // Another browser, with none or with its own flow.
    assert.equal(await back(new Visitor(server.base), address), '/?sso=expired');
    const attacker = new Visitor(server.base);
    const theirs = await start(attacker, 'riverside');
    assert.equal(await back(attacker, address), '/?sso=expired');
    // Another state.
    const wrongState = new Visitor(server.base);
    await start(wrongState, 'riverside');
    assert.equal(await back(wrongState, changed('state', 'A'.repeat(43))), '/?sso=expired');
    // The attacker's own code in the victim's flow: PKCE.
    const code = new URL(await real.signIn(theirs, 'maya', { back: redirect('riverside') })).searchParams.get('code');
    assert.equal(await back(victim, changed('code', code)), '/?sso=untrusted');
    // That flow is used up now, even with the right code.
    assert.equal(await back(victim, address), '/?sso=expired');

    // Used once, it is used.
    const twice = new Visitor(server.base);
    const good = await real.signIn(await start(twice, 'riverside'), 'maya', { back: redirect('riverside') });
    assert.equal(await back(twice, good), NEXT);
    await start(twice, 'riverside');
    assert.equal(await back(twice, good), '/?sso=expired');
  });

  test('a nonce that is not ours is refused', async () => {
    const client = new Visitor(server.base);
    const location = new URL(await start(client, 'riverside'));
    location.searchParams.set('nonce', 'of somebody else');
    assert.equal(await back(client, await real.signIn(location.href, 'maya', { back: redirect('riverside') })), '/?sso=untrusted');
  });

  test('one provider can not answer for another', async () => {
    // The other one's whole answer, at this one's door.
    const client = new Visitor(server.base);
    const theirs = new URL(await other.signIn(await start(client, 'other'), 'maya', { back: redirect('other') }));
    assert.equal(await back(client, redirect('riverside') + theirs.search), '/?sso=expired');
    // The other one's code, with the state of a flow with this one.
    const mixed = new Visitor(server.base);
    const state = new URL(await start(mixed, 'riverside')).searchParams.get('state');
    theirs.searchParams.set('state', state);
    assert.equal(await back(mixed, redirect('riverside') + theirs.search), '/?sso=untrusted', 'by its name');
    const nameless = new Visitor(server.base);
    theirs.searchParams.set('state', new URL(await start(nameless, 'riverside')).searchParams.get('state'));
    theirs.searchParams.delete('iss');
    assert.equal(await back(nameless, redirect('riverside') + theirs.search), '/?sso=untrusted', 'by its code');
  });

  test('an ID token that is not what it should be is refused, whatever is wrong with it', async () => {
    const hour = Math.floor(Date.now() / 1000) - 3_600;
    const tried = async (change) => {
      Object.assign(ill, { claims: {}, header: {}, foreignKey: false }, change);
      const client = new Visitor(server.base);
      return back(client, ill.back(await start(client, 'ill'), redirect('ill')));
    };
    assert.equal(await tried({}), NEXT, 'with nothing wrong, it is accepted');
    for (const [what, change] of Object.entries({
      'for another audience': { claims: { aud: 'riverside-client' } },
      'for several audiences': { claims: { aud: ['ill-client', 'another'] } },
      'from another issuer': { claims: { iss: real.issuer } },
      'with another nonce': { claims: { nonce: 'x' } },
      'without a nonce': { claims: { nonce: undefined } },
      'too old': { claims: { iat: hour - 300, exp: hour } },
      'not signed': { header: { alg: 'none' } },
      'signed by another key': { foreignKey: true },
      'signed by a key that is not there': { header: { kid: 'two' } },
      'with a symmetric signature': { header: { alg: 'HS256' } },
    })) assert.equal(await tried(change), '/?sso=untrusted', what);
    assert.equal(await tried({ claims: { email_verified: false } }), '/?sso=unverified_email');
    assert.equal(await tried({ claims: { email_verified: undefined } }), '/?sso=unverified_email');
    assert.equal(await tried({ claims: { email: undefined } }), '/?sso=unverified_email');
  });

  test('a provider that is away, or unknown, is said to be', async () => {
    const client = new Visitor(server.base);
    assert.equal((await client.post('/auth/sso/nobody/start')).status, 404);
    assert.equal(await back(client, `${redirect('nobody')}?code=a&state=b`), '/?sso=expired');
    const listed = expectStatus(await client.get('/auth/sso'), 200).body.items;
    assert.deepEqual(listed.map(({ id }) => id), ['riverside', 'strong', 'other', 'ill']);
    assert.ok(!JSON.stringify(listed).includes(SECRET));
    await new Promise((resolve) => {
      ill.server.closeAllConnections();
      ill.server.close(resolve);
    });
    const location = await start(client, 'ill');
    assert.equal(await back(client, ill.back(location, redirect('ill'))), '/?sso=unavailable');
  });

  test('every try is in the audit log', async () => {
    const compliance = await new Visitor(server.base).signIn(demo.compliance);
    const { items } = expectStatus(await compliance.get('/audit?action=sign_in.sso'), 200).body;
    const reasons = new Set(items.filter(({ outcome }) => outcome === 'failed').map(({ reason }) => reason));
    for (const reason of ['expired', 'untrusted', 'unverified_email', 'foreign_domain', 'no_account', 'refused', 'unavailable']) {
      assert.ok(reasons.has(reason), reason);
    }
    assert.ok(items.some(({ outcome, reason }) => outcome === 'allowed' && reason === 'second_factor_by_provider'));
  });
});
