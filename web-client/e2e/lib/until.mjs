// Waiting for a condition: the only way in which these tests let time pass.

/**
 * Asks again and again until `condition` gives something truthy, and gives that back.
 * @template T
 * @param {() => T | Promise<T>} condition
 * @param {{what: string | (() => string), within?: number, every?: number}} options milliseconds
 */
export async function until(condition, { what, within = 20_000, every = 25 }) {
  const deadline = performance.now() + within;
  for (;;) {
    const held = await condition();
    if (held) return held;
    if (performance.now() > deadline) {
      throw new Error(`waited ${within} ms in vain until ${typeof what === 'function' ? what() : what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}
