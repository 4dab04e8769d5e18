// Every page as its browser sees it: under the site's Content-Security-Policy nothing that a page does is refused, and
// what a page never does is.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Patient, Staff } from './lib/people.mjs';
import { Server } from './lib/server.mjs';

/** Every address of the staff's side, read from the one file that lists them. */
function addresses(ids) {
  const routes = readFileSync(new URL('../src/app/routes.tsx', import.meta.url), 'utf8');
  const found = [...routes.matchAll(/getParentRoute: \(\) => (\w+),\s*path: '([^']*)'/g)];
  assert.ok(found.length > 6, 'routes.tsx is read');
  return found.map(([, parent, path]) => {
    const whole = parent === 'root' ? path : `/app/${path.replace(/^\//, '')}`;
    return whole.replace(/\$(\w+)/g, (_, name) => ids[name] ?? ids.visitId);
  });
}

/** Passed to `addInitScript`: keeps what the browser refused. */
function watchPolicy() {
  window.__refused = [];
  document.addEventListener('securitypolicyviolation', (event) => {
    window.__refused.push(`${event.violatedDirective} ${event.blockedURI} at ${event.sourceFile}:${event.lineNumber}`);
  });
}

const refused = (page) => page.evaluate(() => window.__refused);

describe('pages', { timeout: 300_000 }, () => {
  let server, demo;

  before(async () => {
    server = await Server.start({ env: { BEDSIDE__LIMITS__ANONYMOUS_PER_MINUTE: '10000', BEDSIDE__LIMITS__SIGN_IN_PER_ADDRESS_PER_MINUTE: '1000' } });
    demo = await server.demo();
  });

  after(() => server?.stop());

  for (const role of ['provider', 'front_desk', 'clinic_admin', 'compliance']) {
    test(`no page of ${role} meets the policy`, async () => {
      const person = await Staff.at({ base: server.base, account: demo[role] });
      try {
        await person.context.addInitScript(watchPolicy);
        await person.page.goto(server.base);
        await person.signsIn();
        const patients = await person.page.evaluate(() => fetch('/api/v1/patients').then((answer) => answer.json()));
        const ids = { visitId: demo.visits[0].visit_id, patientId: patients.items[0].patient_id };
        for (const path of addresses(ids)) {
          await person.page.goto(server.base + path);
          await person.page.locator('h1, h2, [role=alert]').first().waitFor();
          await person.page.waitForLoadState('networkidle', { timeout: 2_000 }).catch(() => {});
          assert.deepEqual(await refused(person.page), [], path);
        }
      } finally {
        await person.leaveBrowser();
      }
    });
  }

  test('no step of a patient meets the policy, and what is not ours does', async () => {
    const patient = await Patient.at({ base: server.base, visit: demo.visits[0] });
    try {
      await patient.context.addInitScript(watchPolicy);
      await patient.opensLink();
      await patient.confirmsDateOfBirth();
      await patient.saysWhereTheyAre();
      await patient.agrees();
      await patient.button('Join waiting room').waitFor();
      await patient.joinsWaitingRoom();
      assert.deepEqual(await refused(patient.page), []);
      // The check can fail: an inline script, an inline handler and a foreign picture.
      await patient.page.evaluate(() => {
        const script = document.createElement('script');
        script.textContent = 'window.__ran = true';
        document.body.append(script);
        const picture = document.createElement('img');
        picture.src = 'https://example.invalid/pixel.png';
        document.body.append(picture);
        document.body.setAttribute('onclick', 'window.__ran = true');
        document.body.click();
      });
      await patient.page.waitForFunction(() => window.__refused.length >= 3);
      const directives = (await refused(patient.page)).map((line) => line.split(' ')[0]).sort();
      assert.deepEqual(directives, ['img-src', 'script-src-attr', 'script-src-elem']);
      assert.equal(await patient.page.evaluate(() => window.__ran), undefined);
    } finally {
      await patient.leaveBrowser();
    }
  });
});
