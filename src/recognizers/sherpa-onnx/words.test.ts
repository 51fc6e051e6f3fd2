import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type TokenResult, wordsOf } from './words.ts';

const LENGTH = 10 * 16_000;
/** Tokens that begin one after the other, each half a second after the one before. */
function result(tokens: readonly string[], more: Partial<TokenResult> = {}): TokenResult {
  return { text: tokens.join('').trim(), tokens, timestamps: tokens.map((_, index) => index / 2), ...more };
}
const texts = (given: TokenResult, marks?: 'trailing-at'): string[] => wordsOf(given, LENGTH, marks).map(({ text }) => text);

test('a blank begins a word, and pieces without one go on in it', () => {
  assert.deepEqual(texts(result([' hel', 'lo', ' wor', 'ld', '.', ' Yes', ',', " it's"])), ['hello', 'world.', 'Yes,', "it's"]);
  assert.deepEqual(texts(result(['он', 'и', ' ', 'да'])), ['они', 'да']);
  assert.deepEqual(texts(result(['п', 'р', 'и', ' ', 'я'])), ['при', 'я']);
});

test('each character of a script without blanks is a word, and marks belong to the one before', () => {
  assert.deepEqual(texts(result(['你', '好', '，', '世', '界', '。'])), ['你', '好，', '世', '界。']);
  assert.deepEqual(texts(result(['我', ' love', ' you', '吗'])), ['我', 'love', 'you', '吗']);
  assert.deepEqual(texts(result(['コ', 'ー', 'ヒ', 'ー'])), ['コー', 'ヒー']);
});

test('at signs join pieces, where a vocabulary has them', () => {
  assert.deepEqual(texts(result(['he@@', 'llo', 'world', '你', '好'], { text: 'hello world 你好' }), 'trailing-at'), ['hello', 'world', '你', '好']);
});

test('a character in several bytes is one word', () => {
  const [first, second, third] = [...Buffer.from('龘')].map((byte) => `<0x${byte.toString(16).toUpperCase()}>`);
  assert.deepEqual(texts(result([first!, second!, third!, '好'], { text: '龘好' })), ['龘', '好']);
});

test('a word is heard from its first token until the next begins, and no token longer than 0.4 s', () => {
  const [hello, world] = wordsOf({ text: 'hello world', tokens: [' hel', 'lo', ' world'], timestamps: [1, 1.2, 1.3] }, LENGTH);
  assert.deepEqual([hello?.startSample, hello?.endSample], [16_000, 20_800]);
  assert.deepEqual([world?.startSample, world?.endSample], [20_800, 27_200]);
});

test('durations tell the end where the model has them', () => {
  const [word] = wordsOf({ text: 'a', tokens: [' a'], timestamps: [1], durations: [0.08] }, LENGTH);
  assert.deepEqual([word?.startSample, word?.endSample], [16_000, 17_280]);
});

test('confidence is the geometric mean of the tokens, and only where every token has one', () => {
  const given = { text: 'hello you', tokens: [' hel', 'lo', ' you'], timestamps: [0, 1, 2] };
  const logProbs = [Math.log(0.25), Math.log(1), Math.log(0.5)];
  assert.deepEqual(wordsOf({ ...given, logProbs }, LENGTH).map(({ confidence }) => confidence?.toFixed(3)), ['0.500', '0.500']);
  assert.deepEqual(wordsOf({ ...given, logProbs: [] }, LENGTH).map(({ confidence }) => confidence), [undefined, undefined]);
  assert.equal(wordsOf({ text: 'a', tokens: [' a'], timestamps: [0], logProbs: [0.001] }, LENGTH)[0]?.confidence, 1);
});

test('words whose times nobody told span the stretch and say so', () => {
  const untimed = { startSample: 0, endSample: LENGTH, untimed: true };
  assert.deepEqual(wordsOf({ text: ' Hello, 世界! ', tokens: [' Hello', ','], timestamps: [] }, LENGTH), [
    { text: 'Hello,', ...untimed },
    { text: '世', ...untimed },
    { text: '界!', ...untimed },
  ]);
});

test('a text that its tokens do not spell is kept, without their times', () => {
  assert.deepEqual(wordsOf({ text: '20 euros', tokens: [' twenty', ' euros'], timestamps: [1, 2] }, LENGTH).map(({ text, untimed }) => [text, untimed]), [
    ['20', true],
    ['euros', true],
  ]);
});

test('tags are no words', () => {
  assert.deepEqual(texts(result(['<unk>', ' a', '<|en|>'], { text: 'a' })), ['a']);
  assert.deepEqual(texts(result([' ', '', ' '], { text: '' })), []);
});

test('whatever the tokens are, words are in order, lie in time, and have no blanks', () => {
  const token = fc.oneof(fc.constantFrom(' ', ' a', 'b', '你', '。', '<unk>', '<0xE4>', '<0xBD>', 'x@@', '\ufffd', ' .'), fc.string({ maxLength: 4 }));
  const tokens = fc.array(fc.record({ token, step: fc.double({ min: 0, max: 2, noNaN: true }) }), { maxLength: 20 });
  fc.assert(
    fc.property(tokens, fc.constantFrom('leading-blank' as const, 'trailing-at' as const), fc.boolean(), (given, marks, isTimed) => {
      let at = 0;
      const timestamps = given.map(({ step }) => (at += step));
      const said = given.map((each) => each.token);
      const words = wordsOf({ text: said.join(''), tokens: said, timestamps: isTimed ? timestamps : [] }, LENGTH, marks);
      let last = 0;
      for (const { text, startSample, endSample } of words) {
        assert.match(text, /^\S+$/);
        assert.ok(startSample >= last && endSample > startSample);
        last = startSample;
      }
    }),
    { numRuns: 2000 },
  );
});
