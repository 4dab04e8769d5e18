// The people of a visit, as they act on the screen. Every control is found by role and accessible name, as a
// screen reader finds it; a page that can't be used that way fails these tests.

import { DESK, PHONE, openBrowser } from './browser.mjs';
import { counters } from './media.mjs';
import { freshCode } from './totp.mjs';
import { until } from './until.mjs';

class Person {
  /** Closes the browser and, if the test went wrong, says what its console said. */
  async leaveBrowser() {
    await this.browser.close().catch(() => {});
  }

  /** A button by its promised word; more words may follow (`Admit Maria`, `Chat, one new message`). */
  button(name) {
    return this.page.getByRole('button', { name: new RegExp(`^${name}\\b`) }).filter({ visible: true });
  }

  press(name) {
    return this.button(name).first().click();
  }

  /** Resolves when a state of the visit is shown in its own word: `Waiting`, `Reconnecting`, `Visit ended`. */
  async seesState(word, options = {}) {
    await this.page.getByText(word, { exact: true }).filter({ visible: true }).first().waitFor(options);
  }

  /** Resolves when this text can be seen. */
  async sees(text, options = {}) {
    await this.page.getByText(text, { exact: false }).filter({ visible: true }).first().waitFor(options);
  }

  async seesNot(text, options = {}) {
    await this.page.getByText(text, { exact: true }).filter({ visible: true }).first().waitFor({ state: 'hidden', ...options });
  }

  /** Resolves when ICE and DTLS are up and this page has sent real media to the server. */
  async transportIsUp({ packets = 100 } = {}) {
    await until(
      async () => {
        const now = await counters(this.page);
        return now.connected > 0 && now.packetsOut >= packets;
      },
      { what: 'the connection to the media server is up and carries our media', within: 30_000, every: 100 },
    );
  }

  async chat(text) {
    const box = this.page.getByRole('textbox', { name: /message/i }).filter({ visible: true });
    if ((await box.count()) === 0) await this.press('Chat');
    await box.first().fill(text);
    await box.first().press('Enter');
  }

  cookies() {
    return this.context.cookies();
  }

  /** The state `Recording`, as shown to everyone while the server captures. */
  get recordingSign() {
    return this.page.getByText('Recording', { exact: true }).filter({ visible: true }).first();
  }

  seesRecording(options = {}) {
    return this.recordingSign.waitFor(options);
  }

  seesNoRecording(options = {}) {
    return this.recordingSign.waitFor({ state: 'hidden', ...options });
  }

  isRecording() {
    return this.recordingSign.isVisible();
  }

  /** Wall-clock milliseconds at which this page first showed that it records, and last took the sign away. */
  async recordingTimes() {
    const changes = await this.page.evaluate(() => window.__bedsideRecording);
    return { on: changes.find((change) => change.shown)?.at, off: changes.findLast((change) => !change.shown)?.at };
  }

  /** Wall-clock milliseconds of the latest press of a button. */
  async pressedAt(name) {
    const clicks = await this.page.evaluate(() => window.__bedsideClick);
    return Object.entries(clicks).find(([label]) => label.startsWith(name))?.[1];
  }

  /** Wall-clock milliseconds of the moment from which everyone had allowed it, given the other one's page. */
  async allowedByBothAt(other) {
    return Math.max(await this.pressedAt('Allow recording'), await other.pressedAt('Allow recording'));
  }

  /** Takes the permission back while it records. */
  withdrawsRecording() {
    return this.press('Do not record');
  }
}

export class Patient extends Person {
  /** @param {{base: string, visit: {patient_link: string, date_of_birth: string}, viewport?: object}} options */
  static async at({ base, visit, viewport = PHONE, ...browser }) {
    return Object.assign(new Patient(), await openBrowser({ base, viewport, ...browser }), { base, visit });
  }

  async opensLink() {
    await this.page.goto(new URL(new URL(this.visit.patient_link, this.base).pathname, this.base).href);
  }

  async confirmsDateOfBirth(date = this.visit.date_of_birth) {
    const [year, month, day] = date.split('-');
    await this.page.getByRole('textbox', { name: /^Month/ }).fill(String(Number(month)));
    await this.page.getByRole('textbox', { name: /^Day/ }).fill(String(Number(day)));
    await this.page.getByRole('textbox', { name: /^Year/ }).fill(year);
    await this.press('Continue');
  }

  async saysWhereTheyAre() {
    await this.page.getByRole('combobox', { name: /^State/ }).selectOption({ label: 'Illinois' });
    await this.page.getByRole('textbox', { name: /^Phone number/ }).fill('+1 312 555 0134');
    await this.page.getByRole('textbox', { name: /^Address/ }).fill('12 Example Street, Springfield');
    await this.press('Continue');
  }

  async agrees() {
    await this.press('I agree');
  }

  /** From the link to the waiting room, every step as the page asks for it. */
  async checksIn() {
    await this.opensLink();
    await this.confirmsDateOfBirth();
    await this.saysWhereTheyAre();
    await this.agrees();
    await this.joinsWaitingRoom();
  }

  async joinsWaitingRoom() {
    await this.press('Join waiting room');
    await this.seesState('Waiting');
  }

  /** Loads the page anew; whatever it asks again, the patient answers. */
  async reloadsWaiting() {
    await this.page.reload();
    const join = this.button('Join waiting room').first();
    const waiting = this.page.getByText('Waiting', { exact: true }).filter({ visible: true }).first();
    await join.or(waiting).first().waitFor();
    if (await join.isVisible()) await this.joinsWaitingRoom();
  }
}

/** An interpreter, a guardian, a specialist: invited into one visit by a link. */
export class Guest extends Person {
  /** @param {{base: string, link: string, viewport?: object}} options */
  static async at({ base, link, viewport = PHONE }) {
    return Object.assign(new Guest(), await openBrowser({ base, viewport }), { base, link });
  }

  async opensLink() {
    await this.page.goto(new URL(new URL(this.link).pathname, this.base).href);
  }

  /** Waits for the name that came with the invitation, and gives the right one. */
  async givesName(name, { suggested }) {
    const field = this.page.getByRole('textbox', { name: /^Your name/ });
    await until(async () => (await field.inputValue()) === suggested, { what: 'the name of the invitation is filled in' });
    await field.fill(name);
    await this.press('Continue');
  }

  async agrees() {
    await this.press('I agree');
  }

  async joinsWaitingRoom() {
    await this.press('Join waiting room');
    await this.seesState('Waiting');
  }
}

export class Staff extends Person {
  /** @param {{base: string, account: {email: string, password: string, totp_secret: string}, viewport?: object}} options */
  static async at({ base, account, viewport = DESK, ...browser }) {
    return Object.assign(new Staff(), await openBrowser({ base, viewport, ...browser }), { base, account });
  }

  async signsIn() {
    await this.page.goto(this.base);
    await this.page.getByRole('textbox', { name: /^Email/ }).fill(this.account.email);
    await this.page.getByLabel(/^Password/).fill(this.account.password);
    await this.press('Sign in');
    const code = this.page.getByRole('textbox', { name: /^Authentication code/ });
    await code.fill(await freshCode(this.account.totp_secret));
    await code.press('Enter');
    await this.button('Sign out').first().waitFor();
  }

  async opensVisit(visit) {
    await this.page.goto(new URL(`/app/visits/${visit.visit_id}`, this.base).href);
  }

  /** The names under which the people of a visit are shown. */
  async namesIn({ visit_id: id }) {
    const { items } = await this.api('/today');
    const { patient_name: patient, provider_name: provider } = items.find((item) => item.visit_id === id);
    return { patient, provider };
  }

  /** Asks, both allow, both see that it runs. */
  async startsRecordingWith(other) {
    await this.press('Start recording');
    await Promise.all([this.press('Allow recording'), other.press('Allow recording')]);
    await Promise.all([this.seesRecording(), other.seesRecording()]);
  }

  get note() {
    return this.page.getByRole('textbox', { name: /note/i }).first();
  }

  /** What the API says, asked as the person who is signed in here. */
  async api(path) {
    const answer = await this.context.request.get(`/api/v1${path}`);
    if (!answer.ok()) throw new Error(`${path}: ${answer.status()} ${await answer.text()}`);
    return answer.json();
  }

  /** Resolves when the server has acknowledged this text. */
  async noteIsSaved({ visit_id: visit }, body) {
    await until(async () => (await this.api(`/visits/${visit}/note`)).body === body, { what: 'the draft is stored', every: 250 });
  }

  async signsNote() {
    await this.press('Sign note');
    await this.confirms('Sign note');
    await until(async () => !(await this.noteCanBeEdited()), { what: 'the note is read-only' });
  }

  async noteCanBeEdited() {
    return this.note.isEditable({ timeout: 250 }).catch(() => false);
  }

  async endsVisit() {
    await this.press('End visit');
    await this.confirms('End visit');
  }

  /** Makes a link for a guest, and gives it. */
  async invites({ role, name }) {
    await this.press('Invite');
    const dialog = this.page.getByRole('dialog');
    await dialog.getByRole('combobox', { name: 'As' }).selectOption({ label: role });
    await dialog.getByRole('textbox', { name: 'Name' }).fill(name);
    await dialog.getByRole('button', { name: 'Make a link' }).click();
    const link = await dialog.getByRole('textbox', { name: /link/i }).inputValue();
    await dialog.getByRole('button', { name: 'Close', exact: true }).click();
    return link;
  }

  /** Takes the invitation of this guest back. */
  async takesBack(name) {
    await this.press('Invite');
    const dialog = this.page.getByRole('dialog');
    await dialog.getByRole('listitem').filter({ hasText: name }).getByRole('button', { name: 'Take back' }).click();
    await dialog.getByRole('listitem').filter({ hasText: name }).getByText('Taken back').waitFor();
    await dialog.getByRole('button', { name: 'Close', exact: true }).click();
  }

  /** Presses the same button again in the dialog that asks whether one is sure. */
  async confirms(name) {
    const dialog = this.page.getByRole('dialog').or(this.page.getByRole('alertdialog'));
    await dialog.getByRole('button', { name, exact: true }).click();
  }

  async returnsToWaiting(name) {
    if (!(await this.button('Return to waiting').first().isVisible())) {
      await this.page.getByRole('button', { name: new RegExp(name) }).first().click();
    }
    const item = this.page.getByRole('menuitem', { name: 'Return to waiting' }).or(this.button('Return to waiting'));
    await item.first().click();
  }

  /** From the list of visits to the plots of the one that this provider held. */
  async opensQualityOf(provider) {
    await this.page.getByRole('link', { name: provider }).or(this.page.getByRole('row', { name: new RegExp(provider) })).first().click();
    await this.page.locator('.uplot canvas').first().waitFor();
  }

  async recordingIsReady({ visit_id: visit }) {
    await until(
      async () => {
        const { items } = await this.api(`/visits/${visit}/recordings`);
        if (items.some((item) => item.state === 'failed')) throw new Error('composing the recording failed');
        return items.length > 0 && items.every((item) => item.state === 'ready');
      },
      { what: 'the recording is composed', within: 90_000, every: 200 },
    );
  }

  /** The player of the visit's recording, as a <video> with controls. */
  async opensRecording(visit) {
    await this.opensVisit(visit);
    const player = this.page.locator('video[controls]').first();
    const play = this.page.getByRole('button', { name: /^(Play|Watch)/ }).first();
    await player.or(play).first().waitFor();
    if (!(await player.isVisible())) await play.click();
    await player.waitFor();
    return player;
  }
}
