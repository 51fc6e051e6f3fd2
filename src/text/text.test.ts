import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { TextOptions } from '../core/text-options.ts';
import type { Utterance, Word } from '../core/transcript.ts';
import { createWriting } from './writing.ts';

const wordsOf = (text: string): Word[] =>
  text.split(' ').filter((each) => each !== '').map((each, index) => ({ text: each, startSample: index * 100, endSample: index * 100 + 90, confidence: 0.8 }));

const utteranceOf = (text: string): Utterance => {
  const words = wordsOf(text);
  return { id: 'L0-U0', laneIndex: 0, text, words, startSample: 0, endSample: words.length * 100, stableWords: words.length };
};

function write(text: string, options: TextOptions, isFinal = true): string {
  return createWriting(options)(utteranceOf(text), isFinal).text;
}

const NUMERALS: readonly (readonly [string, string])[] = [
  ['there are twenty three of them', 'there are 23 of them'],
  ['one of them said second', 'one of them said second'],
  ['one hundred and five people', '105 people'],
  ['a hundred years', '100 years'],
  ['two thousand and six', '2006'],
  ['one million two hundred thousand', '1,200,000'],
  ['forty five thousand three hundred and twelve', '45,312'],
  ['in nineteen eighty four', 'in 1984'],
  ['twenty twenty six', '2026'],
  ['nineteen oh five', '1905'],
  ['three point one four', '3.14'],
  ['the twenty first of may', 'the 21st of may'],
  ['the twelfth man', 'the 12th man'],
  ['five percent', '5%'],
  ['two hundred dollars', '$200'],
  ['call four one five five five five', 'call 415555'],
  ['oh seven double three', '0733'],
  ['bond double oh seven', 'bond 007'],
  ['oh my god', 'oh my god'],
  ['twenty five, thirty', '25, 30'],
  ['ten and five make fifteen', '10 and five make 15'],
  ['thousand island', 'thousand island'],
  ['seventy-six trombones', '76 trombones'],
];

for (const [heard, expected] of NUMERALS) test(`numerals: ${heard}`, () => assert.equal(write(heard, { numerals: true }), expected));

test('numerals: a number has the time of all its words', () => {
  const { words } = createWriting({ numerals: true })(utteranceOf('there are twenty three of them'), true);
  assert.deepEqual(words[2], { text: '23', startSample: 200, endSample: 390, confidence: 0.8 });
});

test('numerals: interims keep the words', () => {
  assert.equal(write('there are twenty three', { numerals: true }, false), 'there are twenty three');
});

for (const [heard, expected] of [
  ['Hello, “World”. It’s 3.5 percent (about)!', 'hello world it’s 3.5 percent about'],
  ['Well ... yes?', 'well yes'],
  ['plain already', 'plain already'],
] as const) {
  test(`plain: ${heard}`, () => {
    assert.equal(write(heard, { withoutPunctuation: true, lowerCase: true }, false), expected);
  });
}

test('plain: one without the other; ways of writing that were asked for stay', () => {
  assert.equal(write('Hello, World.', { withoutPunctuation: true }), 'Hello World');
  assert.equal(write('Hello, World.', { lowerCase: true }), 'hello, world.');
  assert.equal(write('Hello, World.', { withoutPunctuation: true, lowerCase: true, spelling: [{ from: ['world'], to: 'WORLD!' }] }), 'hello WORLD!');
  const utterance = utteranceOf('as it was');
  assert.equal(createWriting({ withoutPunctuation: true, lowerCase: true })(utterance, true), utterance);
});

test('redaction: a card number is found by its check digit, however it is said', () => {
  const card = 'four one one one one one one one one one one one one one one one';
  assert.equal(write(`my card is ${card} thanks`, { redact: ['pci'] }), 'my card is [ACCOUNTNUMBER_1] thanks');
  assert.equal(write(`my card is ${card.replace(/one$/, 'two')} thanks`, { redact: ['pci'] }), `my card is ${card.replace(/one$/, 'two')} thanks`);
  assert.equal(write('it is 4111 1111 1111 1111', { redact: ['pci'] }), 'it is [ACCOUNTNUMBER_1]');
});

test('redaction: telephone, mail and names; the same entity keeps its number, over utterances too', () => {
  const writing = createWriting({ redact: ['pii'] });
  const text = (heard: string): string => writing(utteranceOf(heard), true).text;
  assert.equal(text('call four one five five five five one two one two'), 'call [PHONENUMBER_1]');
  assert.equal(text('or 415-555-1212 or 202 555 0100'), 'or [PHONENUMBER_1] or [PHONENUMBER_2]');
  assert.equal(text('write to jane dot doe at example dot com please'), 'write to [EMAIL_1] please');
  assert.equal(text('my name is jane doe'), 'my name is [FIRSTNAME_1] [LASTNAME_1]');
  assert.equal(text('my name is on the list'), 'my name is on the list');
  assert.equal(text('twenty people came in nineteen eighty four'), 'twenty people came in nineteen eighty four');
});

test('redaction: an interim shows no digits that may become part of one', () => {
  assert.equal(write('my card is four one one', { redact: ['pci'] }, false), 'my card is [NUMBER]');
  assert.equal(write('all twenty of them', { redact: ['numbers'] }), 'all [NUMBER_1] of them');
});

test('spelling: phrases are written as asked, with what follows them', () => {
  const spelling = [
    { from: ['gladya', 'glad ya'], to: 'Gladia' },
    { from: ['ear shot'], to: 'Earshot' },
  ];
  assert.equal(write('I am glad ya use Ear shot, gladya', { spelling }), 'I am Gladia use Earshot, Gladia');
});

test('vocabulary: what sounds like a term becomes it, what does not stays', () => {
  const vocabulary = [
    { term: 'Kubernetes', boost: 2 },
    { term: 'Earshot', boost: 2 },
  ];
  assert.equal(write('we run it on cooper netties today', { vocabulary }), 'we run it on Kubernetes today');
  assert.equal(write('we run ear shot', { vocabulary }), 'we run Earshot');
  assert.equal(write('the weather is fine today', { vocabulary }), 'the weather is fine today');
  assert.equal(write('earshot is here', { vocabulary: [{ term: 'Earshot', boost: 0 }] }), 'Earshot is here', 'what is heard as the term is written like it');
});

test('profanities lose all but their first letter', () => {
  assert.equal(write('oh shit, really', { profanityFilter: true }), 'oh s***, really'.replace(',', ''));
});

test('nothing is lost, doubled or reordered, whatever is asked', () => {
  const word = fc.oneof(fc.constantFrom('one', 'twenty', 'hundred', 'and', 'point', 'oh', 'double', 'million', 'dollars', 'my', 'name', 'is', 'at', 'dot', 'com', '4111', 'first', 'five,'), fc.string({ minLength: 1 }).map((text) => text.replace(/\s/g, 'x')));
  const options: TextOptions = { numerals: true, redact: ['pii', 'pci'], vocabulary: [{ term: 'five guys', boost: 3 }], spelling: [{ from: ['oh'], to: 'O' }], profanityFilter: true };
  fc.assert(
    fc.property(fc.array(word, { maxLength: 20 }), fc.boolean(), (texts, isFinal) => {
      const heard = utteranceOf(texts.join(' '));
      const { words, text, stableWords } = createWriting(options)(heard, isFinal);
      assert.equal(text, words.map((each) => each.text).join(' '));
      assert.ok(stableWords <= words.length);
      // Words tile what was heard: each begins where a heard one does, the first at the first, the last ends with the last.
      const starts = heard.words.map((each) => each.startSample);
      assert.ok(words.every((each, index) => starts.includes(each.startSample) && each.startSample >= (words[index - 1]?.endSample ?? 0)));
      assert.deepEqual([words[0]?.startSample, words.at(-1)?.endSample], [heard.words[0]?.startSample, heard.words.at(-1)?.endSample]);
    }),
  );
});
