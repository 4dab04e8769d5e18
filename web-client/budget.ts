// What a patient's phone loads until the waiting room, compressed; a build that goes over the budget fails.

import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

/** The entry, what it loads for a patient, and one language. */
const LOADED = ['src/main.tsx', 'src/app/patient.tsx', 'src/lib/i18n/common.en.ts'];

export function patientBudget(bytes: number): Plugin {
  return {
    name: 'patient-budget',
    apply: 'build',
    generateBundle(_, bundle) {
      const chunks = Object.values(bundle).filter((file) => file.type === 'chunk');
      const needed = new Set<string>();
      const need = (name: string) => {
        if (needed.has(name)) return;
        needed.add(name);
        chunks.find((chunk) => chunk.fileName === name)?.imports.forEach(need);
      };
      for (const source of LOADED) {
        const chunk = chunks.find((one) => one.moduleIds.some((id) => id.endsWith(source)));
        if (!chunk) this.error(`patient budget: no chunk holds ${source}`);
        need(chunk.fileName);
      }
      const sum = chunks.filter((chunk) => needed.has(chunk.fileName)).reduce((total, chunk) => total + gzipSync(chunk.code).length, 0);
      const said = `JavaScript until the waiting room: ${(sum / 1000).toFixed(1)} kB compressed, budget ${bytes / 1000} kB`;
      if (sum > bytes) this.error(said);
      else this.info(said);
    },
  };
}
