import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { normalizeWords, sumErrors, wordErrors } from './wer.ts';

describe('normalizeWords', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['Hello, World!  It’s me.', "hello world it's me"],
    ["'Quoted' rock 'n' roll", 'quoted rock n roll'],
    ['Mr. Jones and Mrs. Smith, M.D.', 'mister jones and missus smith m d'],
    ['well-known — truly', 'well known truly'],
    ['0 7 13 20 42 100 101 999', 'zero seven thirteen twenty forty two one hundred one hundred one nine hundred ninety nine'],
    ['1,234,567 people', 'one million two hundred thirty four thousand five hundred sixty seven people'],
    ['3.14 and 50%', 'three point one four and fifty percent'],
    ['1st 2nd 3rd 12th 20th 21st 100th', 'first second third twelfth twentieth twenty first one hundredth'],
    ['agent 007, 1234567890123', 'agent zero zero seven one two three four five six seven eight nine zero one two three'],
    ['In 1999.', 'in one thousand nine hundred ninety nine'],
    ['', ''],
    ['... --- !', ''],
  ];
  for (const [text, expected] of cases) {
    it(`writes ${JSON.stringify(text)} as an engine would`, () => assert.equal(normalizeWords(text).join(' '), expected));
  }

  it('changes nothing the second time', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const once = normalizeWords(text).join(' ');
        assert.equal(normalizeWords(once).join(' '), once);
      }),
    );
  });
});

describe('wordErrors', () => {
  const edits = (reference: string, hypothesis: string): readonly number[] => {
    const { substitutions, insertions, deletions } = wordErrors(reference, hypothesis);
    return [substitutions, insertions, deletions];
  };

  it('is zero for the same words, however they are written', () => {
    assert.deepEqual(wordErrors('Mr. Fox has 3 cats.', 'mister fox has three cats'), {
      referenceWords: 5,
      substitutions: 0,
      insertions: 0,
      deletions: 0,
      rate: 0,
    });
  });

  it('tells the kinds of errors apart', () => {
    assert.deepEqual(edits('a b c d', 'a x c d'), [1, 0, 0]);
    assert.deepEqual(edits('a b c d', 'a b b c d'), [0, 1, 0]);
    assert.deepEqual(edits('a b c d', 'b d'), [0, 0, 2]);
    assert.deepEqual(edits('a b c d e f', 'a x c e f g'), [1, 1, 1]);
  });

  it('divides by the words spoken', () => {
    assert.equal(wordErrors('one two three four', 'one two four').rate, 0.25);
    assert.equal(wordErrors('one', 'two three four').rate, 3);
  });

  it('knows the empty sides', () => {
    assert.equal(wordErrors('', '').rate, 0);
    assert.equal(wordErrors('a b', '').rate, 1);
    assert.equal(wordErrors('', 'a').rate, Infinity);
  });

  it('is bounded by the longer side and never below the difference in length', () => {
    const words = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 12 });
    fc.assert(
      fc.property(words, words, (spoken, heard) => {
        const [substitutions, insertions, deletions] = edits(spoken.join(' '), heard.join(' ')) as [number, number, number];
        const errors = substitutions + insertions + deletions;
        assert.ok(errors <= Math.max(spoken.length, heard.length));
        assert.equal(insertions - deletions, heard.length - spoken.length);
      }),
    );
  });
});

describe('sumErrors', () => {
  it('weighs every text by its length', () => {
    const total = sumErrors([wordErrors('a b c d e f g h i', 'a b c d e f g h i'), wordErrors('a', 'b')]);
    assert.equal(total.rate, 0.1);
    assert.equal(total.referenceWords, 10);
  });

  it('is zero for nothing', () => assert.equal(sumErrors([]).rate, 0));
});
