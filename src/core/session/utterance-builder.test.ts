import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { Word } from '../transcript.ts';
import { UtteranceBuilder } from './utterance-builder.ts';

/** Words of 100 samples each, one after the other. */
const words = (text: string, startSample = 0): Word[] =>
  text.split(' ').filter(Boolean).map((each, index) => ({ text: each, startSample: startSample + index * 100, endSample: startSample + index * 100 + 100 }));

const builder = (): UtteranceBuilder => new UtteranceBuilder('L0-U0', 0, 50);

test('an utterance without words has its own place and no text', () => {
  const { text, startSample, endSample, stableWords } = builder().snapshot();
  assert.deepEqual({ text, startSample, endSample, stableWords }, { text: '', startSample: 50, endSample: 50, stableWords: 0 });
});

test('an interim replaces the one before, and tells whether a reader would see a change', () => {
  const utterance = builder();
  assert.equal(utterance.hear(words('two')), true);
  assert.equal(utterance.hear(words('to be')), true);
  assert.equal(utterance.hear(words('to be')), false);
  assert.equal(utterance.snapshot().text, 'to be');
});

test('words that stood in three interims are stable, but for the last, and later interims keep them', () => {
  const utterance = builder();
  for (const heard of ['a b', 'a b c']) utterance.hear(words(heard));
  assert.equal(utterance.snapshot().stableWords, 0);
  utterance.hear(words('a b c'));
  assert.equal(utterance.snapshot().stableWords, 2);
  utterance.hear(words('x y c d'));
  assert.equal(utterance.snapshot().text, 'a b c d');
  utterance.hear(words(''));
  assert.equal(utterance.snapshot().text, 'a b c', 'the third word has stood three times by now');
});

test('the last word of an interim is never stable by itself', () => {
  const utterance = builder();
  for (let count = 0; count < 5; count += 1) utterance.hear(words('a'));
  assert.equal(utterance.snapshot().stableWords, 0);
});

test('a settled segment replaces its interims, stable ones too, and the next segment is appended', () => {
  const utterance = builder();
  for (let count = 0; count < 4; count += 1) utterance.hear(words('wreck a nice'));
  utterance.settle(words('recognize'));
  assert.deepEqual([utterance.snapshot().text, utterance.snapshot().stableWords], ['recognize', 1]);
  utterance.hear(words('speech', 1000));
  const { text, stableWords, startSample, endSample } = utterance.snapshot();
  assert.deepEqual({ text, stableWords, startSample, endSample }, { text: 'recognize speech', stableWords: 1, startSample: 0, endSample: 1100 });
});

test('whatever an engine says, stable words stay until their segment settles', () => {
  const interims = fc.array(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 6 }).map((list) => words(list.join(' '))), { maxLength: 40 });
  fc.assert(
    fc.property(interims, (heard) => {
      const utterance = builder();
      let stable: string[] = [];
      for (const each of heard) {
        utterance.hear(each);
        const now = utterance.snapshot();
        assert.deepEqual(now.words.slice(0, stable.length).map(({ text }) => text), stable);
        assert.ok(now.stableWords >= stable.length && now.stableWords <= now.words.length);
        assert.ok(now.words.every((word, index) => index === 0 || word.startSample >= now.words[index - 1]!.startSample));
        stable = now.words.slice(0, now.stableWords).map(({ text }) => text);
      }
    }),
  );
});
