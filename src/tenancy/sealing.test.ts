import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { DataKey } from './sealing.ts';

const folder = mkdtempSync(join(tmpdir(), 'earshot-sealing-'));
after(() => rmSync(folder, { recursive: true }));
const key = new DataKey(new Uint8Array(32).fill(7));
const sealer = key.sealer('tests');
const refused = { code: 'STORE_UNAVAILABLE' };

test('what is sealed opens, and only with the same key, purpose and context', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.string(), (bytes, context) => {
      const sealed = sealer.seal(bytes, context);
      assert.deepEqual(Buffer.from(sealer.open(sealed, context)), Buffer.from(bytes));
      assert.throws(() => sealer.open(sealed, `${context}x`), refused);
      assert.throws(() => key.sealer('others').open(sealed, context), refused);
      assert.throws(() => new DataKey(new Uint8Array(32)).sealer('tests').open(sealed, context), refused);
    }),
  );
});

test('a sealed text shows nothing of itself, and is never the same twice', () => {
  const [first, second] = [sealer.seal(Buffer.from('a secret that is long'), ''), sealer.seal(Buffer.from('a secret that is long'), '')];
  assert.notDeepEqual(first, second);
  assert.ok(!Buffer.from(first).includes('secret'));
});

test('one changed bit, a shorter text and foreign bytes are refused', () => {
  const sealed = sealer.seal(Buffer.from('text'), 'x');
  for (let bit = 0; bit < sealed.length * 8; bit += 1) {
    const damaged = Uint8Array.from(sealed);
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.throws(() => sealer.open(damaged, 'x'), refused);
  }
  for (let length = 0; length < sealed.length; length += 1) assert.throws(() => sealer.open(sealed.subarray(0, length), 'x'), refused);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => assert.throws(() => sealer.open(bytes, 'x'), refused)));
});

test('the data key is made once, for its owner alone', () => {
  const dataDir = join(folder, 'data');
  const sealed = DataKey.keptIn(dataDir).sealer('x').seal(Buffer.from('text'), '');
  assert.equal(statSync(join(dataDir, 'data-key')).mode & 0o777, 0o600);
  assert.equal(Buffer.from(DataKey.keptIn(dataDir).sealer('x').open(sealed, '')).toString(), 'text');
});

test('a damaged data key stops the server instead of being replaced', () => {
  writeFileSync(join(folder, 'data-key'), 'short\n');
  assert.throws(() => DataKey.keptIn(folder), refused);
});
