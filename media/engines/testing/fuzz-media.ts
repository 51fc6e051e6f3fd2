/**
 * The long run of the fuzzer, guided by the branches that inputs take: npm run fuzz:media -- [--inputs N] [--seed N]
 * Ends with 1 at a fault, or when memory is not what it was.
 */
import { parseArgs } from 'node:util';
import { countEdges } from './edge-coverage.ts';

const guide = countEdges((url) => /\/(?:media|src\/core)\//.test(url) && !/\/testing\/|\/node_modules\//.test(url));
// Counts only in what is imported from here on.
const { fuzz, fuzzTargets } = await import('./media-fuzz.ts');

const ROUND_INPUTS = 50_000;
/** What a heap may differ by between two looks at it. */
const MAX_GROWTH_BYTES = 24 * 1024 * 1024;

const { values } = parseArgs({ options: { inputs: { type: 'string', default: '1000000' }, seed: { type: 'string', default: String(Date.now() % 2 ** 31) } } });
const inputs = Number(values.inputs);
let seed = Number(values.seed);
const targets = fuzzTargets();
let first: number | undefined;
for (let done = 0; done < inputs; done += ROUND_INPUTS) {
  const fault = fuzz(targets, Math.min(ROUND_INPUTS, inputs - done), seed, guide);
  if (fault) fail(`${fault.target}, seed ${String(seed)}: ${fault.fault}\n${fault.input}`);
  const bytes = heldBytes();
  const { taken, all } = guide.counts();
  const kept = targets.reduce((sum, { seeds }) => sum + seeds.length, 0);
  process.stdout.write(`${String(done + ROUND_INPUTS)} inputs, seed ${String(seed)}, ${String(taken)} of ${String(all)} branches, ${String(kept)} seeds, ${(bytes / 2 ** 20).toFixed(1)} MiB held\n`);
  // After two rounds everything that is kept by design is there.
  if (done >= ROUND_INPUTS) first ??= bytes;
  if (first !== undefined && bytes > first + MAX_GROWTH_BYTES) fail(`memory grew from ${String(first)} to ${String(bytes)} bytes`);
  seed += 1;
  await new Promise((resolve) => setImmediate(resolve));
}
process.exit(0);

function heldBytes(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function fail(reason: string): never {
  process.stderr.write(`${reason}\n`);
  process.exit(1);
}
