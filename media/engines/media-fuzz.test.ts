import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import { countEdges } from './testing/edge-coverage.ts';
import { fuzz, fuzzTargets } from './testing/media-fuzz.ts';

// A small share of `npm run fuzz:media`.
test('what strangers can send is survived', () => {
  const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31);
  assert.equal(fuzz(fuzzTargets(), 20_000, seed), undefined, `FUZZ_SEED=${String(seed)}`);
});

test('the fuzzer finds a fault that is there', () => {
  const fault = fuzz([{ name: 'careless', seeds: [Buffer.from('0123456789')], feed: (input) => void input.readUInt32BE(4) }], 1000, 1);
  assert.equal(fault?.target, 'careless');
});

const MAZE = `export function enter(input: Buffer): void {
  if (input[0] !== 0x2a) return;
  if (input[1] !== 0x17) return;
  if (input[2] !== 0x5d) return;
  if (input.length > 4 && input[3] === 0x66) throw new Error('out');
}`;

test('with a guide, the fuzzer gets through branches that chance does not get through', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'earshot-maze-'));
  try {
    await writeFile(path.join(folder, 'maze.ts'), MAZE);
    const url = pathToFileURL(path.join(folder, 'maze.ts')).href;
    const guide = countEdges((each) => each === url);
    const { enter } = (await import(url)) as { readonly enter: (input: Buffer) => void };
    const maze = (): Parameters<typeof fuzz>[0] => [{ name: 'maze', seeds: [Buffer.alloc(8)], feed: enter }];
    assert.equal(fuzz(maze(), 30_000, 1), undefined, 'by chance');
    assert.equal(fuzz(maze(), 30_000, 1, guide)?.target, 'maze', 'guided');
    const { taken, all } = guide.counts();
    assert.ok(taken > 0 && taken <= all);
  } finally {
    await rm(folder, { recursive: true });
  }
});
