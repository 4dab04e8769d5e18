// Security keys and passkeys: the browser's side of WebAuthn. Options and answers travel as the JSON that the standard defines.

/** Whether this page, at this address, can make and use keys at all. */
export function keysWork(): boolean {
  const bare = /^(\d+\.){3}\d+$|^\[/.test(location.hostname);
  return !bare && isSecureContext && typeof PublicKeyCredential === 'function' && 'parseRequestOptionsFromJSON' in PublicKeyCredential;
}

/** The person did not go through with it, or let it time out. */
export class KeyCancelled extends Error {}

/** Has the person use a key. */
export async function signWithKey(options: unknown): Promise<unknown> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options as PublicKeyCredentialRequestOptionsJSON);
  return answered(navigator.credentials.get({ publicKey }));
}

/** Has the person set up a key. */
export async function makeKey(options: unknown): Promise<unknown> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options as PublicKeyCredentialCreationOptionsJSON);
  return answered(navigator.credentials.create({ publicKey }));
}

async function answered(asked: Promise<Credential | null>): Promise<unknown> {
  const credential = await asked.catch((error: unknown) => {
    throw error instanceof DOMException ? new KeyCancelled(error.name) : error;
  });
  if (!(credential instanceof PublicKeyCredential)) throw new KeyCancelled('none');
  return credential.toJSON();
}
