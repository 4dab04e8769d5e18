// OpenID providers for tests: a real one (oidc-provider), whose people sign in on a page of its own, and an ill-meaning one, which
// signs whatever it is told to.

import { createHash, createSign, generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

function listen(server, port = 0) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server.address().port));
  });
}

/** An address where a provider will be: its issuer has to be in the configuration before it knows our server's address. */
export class RealProvider {
  static async open() {
    const provider = new RealProvider();
    provider.server = createServer((request, response) => provider.answer(request, response));
    provider.port = await listen(provider.server);
    provider.issuer = `http://127.0.0.1:${provider.port}`;
    return provider;
  }

  /**
   * @param {{clients: {id: string, secret: string, redirect: string}[], people: Record<string, {email?: string, verified?: boolean, amr?: string[]}>}} options
   */
  serve({ clients, people }) {
    this.people = people;
    this.provider = new Provider(this.issuer, {
      clients: clients.map(({ id, secret, redirect }) => ({ client_id: id, client_secret: secret, redirect_uris: [redirect], response_types: ['code'], grant_types: ['authorization_code'] })),
      claims: { openid: ['sub', 'amr', 'acr'], email: ['email', 'email_verified'] },
      features: { devInteractions: { enabled: false } },
      interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
      pkce: { required: () => true },
      cookies: { keys: [randomBytes(16).toString('hex')] },
      findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: people[id]?.email, email_verified: people[id]?.verified ?? true }) }),
      async loadExistingGrant(context) {
        const { client, session, provider } = context.oidc;
        const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
        grant.addOIDCScope('openid email');
        await grant.save();
        return grant;
      },
    });
    this.callback = this.provider.callback();
  }

  async answer(request, response) {
    if (!request.url.startsWith('/interaction/')) return this.callback(request, response);
    if (request.method === 'GET') {
      response.setHeader('content-type', 'text/html');
      return response.end('<!doctype html><title>Provider</title><form method="post"><label>Account <input name="account"></label><button>Sign in there</button></form>');
    }
    let body = '';
    for await (const part of request) body += part;
    const account = new URLSearchParams(body).get('account');
    const result = account === 'refuse' ? { error: 'access_denied' } : { login: { accountId: account, amr: this.people[account]?.amr ?? ['pwd'] } };
    return this.provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }

  /** What a browser does at the provider, without one: follows it to the end and gives the address that it is sent back to. */
  async signIn(location, account, { back }) {
    const cookies = new Map();
    let url = location;
    let method = 'GET';
    for (let step = 0; step < 12; step++) {
      if (url.startsWith(back)) return url;
      const answer = await fetch(url, {
        method,
        redirect: 'manual',
        headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '), ...(method === 'POST' ? { 'content-type': 'application/x-www-form-urlencoded' } : {}) },
        body: method === 'POST' ? new URLSearchParams({ account }) : undefined,
      });
      for (const line of answer.headers.getSetCookie()) {
        const [pair] = line.split(';');
        cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
      }
      const to = answer.headers.get('location');
      if (to) {
        url = new URL(to, url).href;
        method = 'GET';
      } else if (url.includes('/interaction/') && method === 'GET') method = 'POST';
      else throw new Error(`the provider answers ${answer.status}: ${(await answer.text()).slice(0, 300)}`);
    }
    throw new Error('the provider goes round in circles');
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}

/** Signs ID tokens with whatever `claims` and `header` say; the rest is as it should be. */
export class IllProvider {
  claims = {};
  header = {};
  foreignKey = false;
  nonce = '';
  audience = '';

  static async open() {
    const provider = new IllProvider();
    provider.keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
    provider.others = generateKeyPairSync('rsa', { modulusLength: 2048 });
    provider.server = createServer((request, response) => provider.answer(request, response));
    provider.issuer = `http://127.0.0.1:${await listen(provider.server)}`;
    return provider;
  }

  answer(request, response) {
    const say = (json) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(json));
    };
    const at = (path) => `${this.issuer}${path}`;
    switch (new URL(request.url, this.issuer).pathname) {
      case '/.well-known/openid-configuration':
        return say({ issuer: this.issuer, authorization_endpoint: at('/auth'), token_endpoint: at('/token'), jwks_uri: at('/jwks'), response_types_supported: ['code'], subject_types_supported: ['public'], id_token_signing_alg_values_supported: ['RS256'] });
      case '/jwks':
        return say({ keys: [{ ...this.keys.publicKey.export({ format: 'jwk' }), kid: 'one', use: 'sig', alg: 'RS256' }] });
      case '/token':
        return say({ access_token: 'at', token_type: 'Bearer', expires_in: 60, id_token: this.token() });
      default:
        response.statusCode = 404;
        return response.end();
    }
  }

  token() {
    const now = Math.floor(Date.now() / 1000);
    const encode = (json) => Buffer.from(JSON.stringify(json)).toString('base64url');
    const header = encode({ alg: 'RS256', kid: 'one', ...this.header });
    const claims = encode({ iss: this.issuer, aud: this.audience, sub: 'someone', nonce: this.nonce, iat: now, exp: now + 300, email: this.email, email_verified: true, ...this.claims });
    if (this.header.alg === 'none') return `${header}.${claims}.`;
    const key = (this.foreignKey ? this.others : this.keys).privateKey;
    return `${header}.${claims}.${createSign('RSA-SHA256').update(`${header}.${claims}`).sign(key).toString('base64url')}`;
  }

  /** What a browser would come back with. */
  back(location, redirect) {
    const asked = new URL(location).searchParams;
    this.nonce = asked.get('nonce');
    return `${redirect}?${new URLSearchParams({ code: createHash('sha256').update(this.nonce).digest('hex'), state: asked.get('state') })}`;
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}
