// A value that can be watched. State lives in these, outside the view; React reads them with useSyncExternalStore.

export interface Watched<T> {
  get(): T;
  subscribe(listener: () => void): () => void;
}

export class Store<T> implements Watched<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get = (): T => this.#value;

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Replaces only the named fields; nothing is announced when none of them changed. */
  patch(fields: Partial<T>): void {
    const changed = (Object.keys(fields) as (keyof T)[]).some((key) => !Object.is(fields[key], this.#value[key]));
    if (changed) this.set({ ...this.#value, ...fields });
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}
