import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { Word } from '../../core/transcript.ts';
import { punctuated } from './punctuation.ts';

const said = (...texts: string[]): Word[] => texts.map((text, index) => ({ text, startSample: index * 100, endSample: index * 100 + 90 }));
const textsOf = (words: readonly Word[]): string[] => words.map(({ text }) => text);

test('marks and capitals come to the words that they belong to, and times stay', () => {
  const words = punctuated(said('how', 'are', 'you', "i'm", 'fine'), "How are you? I'm fine.");
  assert.deepEqual(textsOf(words), ['How', 'are', 'you?', "I'm", 'fine.']);
  assert.deepEqual(words.map(({ startSample }) => startSample), [0, 100, 200, 300, 400]);
});

test('so do those of scripts without blanks', () => {
  assert.deepEqual(textsOf(punctuated(said('你', '好', '吗', 'hello'), '你好吗？hello。')), ['你', '好', '吗？', 'hello。']);
});

test('a text that is not these words changes nothing', () => {
  const words = said('twenty', 'euros');
  for (const text of ['20 euros.', 'twenty', 'twenty euros more', '']) assert.equal(punctuated(words, text), words);
});

test('words that have marks keep theirs', () => {
  const words = said('Hello,', 'you');
  assert.equal(punctuated(words, 'Hello,, you.'), words);
});

test('whatever the text is, no word is lost or made up', () => {
  const word = fc.constantFrom('a', 'Bc', '你', "d'e", '');
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), fc.string({ maxLength: 20 }), fc.array(fc.constantFrom('.', ' ', '? ', '，'), { maxLength: 7 }), (texts, noise, marks) => {
      const words = said(...texts.filter((text) => text !== ''));
      for (const text of [noise, textsOf(words).map((each, index) => each.toUpperCase() + (marks[index] ?? ' ')).join('')]) {
        const result = punctuated(words, text);
        assert.equal(result.length, words.length);
        for (const [index, { text: marked }] of result.entries()) assert.ok(marked.toLowerCase().startsWith(words[index]!.text.toLowerCase()));
      }
    }),
  );
});
