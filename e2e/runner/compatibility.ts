import { faults } from '../../compatibility/page.ts';
import { keptProofs, noteProofs, type Proofs, sortedProofs } from '../../compatibility/proofs.ts';
import type { FileResult } from './test-file.ts';

const NAME = 'compatibility/proofs.json';

/** Notes what the tests have shown of the dialects. */
export function noteCompatibility(results: readonly FileResult[]): void {
  noteProofs(proofsOf(results));
}

/** After a run of all tests: is everything that the table claims shown, and do the kept proofs, of which the page is made, say just that? */
export function checkCompatibility(results: readonly FileResult[]): FileResult {
  const seen = sortedProofs(proofsOf(results));
  const wrong = [...faults(seen)];
  if (JSON.stringify(seen) !== JSON.stringify(sortedProofs(keptProofs()))) wrong.push(`${NAME} is not what these tests show: npm run docs`);
  const failures = wrong.length === 0 ? [] : [{ name: 'what the table of features claims is shown by tests', detail: wrong.join('\n') }];
  return { file: NAME, durationMs: 0, passed: wrong.length === 0 ? 1 : 0, failures, skipped: [], output: [], leftBehind: [], proven: [] };
}

const proofsOf = (results: readonly FileResult[]): Proofs => Object.fromEntries(results.map(({ file, proven }) => [file, proven]));

