import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { compatibilityTables, faults } from './page.ts';
import { keptProofs, sortedProofs } from './proofs.ts';
import { PROOFS_VARIABLE, proving } from './proving.ts';

/** What is written to the file of proofs while `run` runs. */
async function proofsOf(run: () => Promise<void>): Promise<string> {
  const folder = mkdtempSync(path.join(tmpdir(), 'earshot-proving-'));
  const before = process.env[PROOFS_VARIABLE];
  const file = path.join(folder, 'proofs');
  process.env[PROOFS_VARIABLE] = file;
  try {
    await run();
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  } finally {
    if (before === undefined) Reflect.deleteProperty(process.env, PROOFS_VARIABLE);
    else process.env[PROOFS_VARIABLE] = before;
    rmSync(folder, { recursive: true });
  }
}

const context = {} as TestContext;

test('what is claimed has a kept proof, and nothing is shown that is not claimed', () => {
  assert.deepEqual(faults(keptProofs()), []);
});

test('a line without a proof is named, and so is a proof without a line', () => {
  const without = Object.fromEntries(Object.entries(keptProofs()).map(([file, shown]) => [file, shown.filter((each) => each !== 'vosk\t`reset`')]));
  assert.deepEqual(faults(without), ['vosk: `reset`: "works", and no test shows it']);
  assert.deepEqual(faults({ ...keptProofs(), 'x.test.ts': ['vosk\tsinging'] }), ['vosk: singing: shown by a test, and not in the table']);
});

test('a test proves what it names once it has passed, and nothing if it fails', async () => {
  const passed = await proofsOf(proving('vosk', ['`reset`', '`words`'], () => undefined).bind(undefined, context));
  assert.equal(passed, 'vosk\t`reset`\nvosk\t`words`\n');
  const failed = await proofsOf(async () => {
    await assert.rejects(proving('vosk', ['`reset`'], () => Promise.reject(new Error('no')))(context), { message: 'no' });
  });
  assert.equal(failed, '');
});

test('the page has a line for every feature, with its files and what is different', () => {
  const page = compatibilityTables(sortedProofs({ 'e2e/b.e2e.ts': ['vosk\t`words`'], 'e2e/a.test.ts': ['vosk\t`words`', 'vosk\t`words`'], 'c.test.ts': [] }));
  assert.ok(page.includes('| `words` | differs | `conf` is left out where the engine gives none | [a.test](../../e2e/a.test.ts), [b.e2e](../../e2e/b.e2e.ts) |'));
});
