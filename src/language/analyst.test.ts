import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../core/clock.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { BackendLetter, TenantPolicy } from '../core/store/tenants.ts';
import { DEFAULT_TENANT_POLICY } from '../core/tenant-policy.ts';
import type { AnalysisRequest } from '../core/text-analysis.ts';
import type { Utterance } from '../core/transcript.ts';
import { type AnalystOptions, createAnalyst } from './analyst.ts';
import { createChatCompletions } from './chat-completions.ts';
import { FakeChat } from './testing/fake-chat.ts';

const chat = await FakeChat.start();
after(() => chat[Symbol.asyncDispose]());
beforeEach(() => {
  chat.questions.length = 0;
  chat.answer = () => 'yes';
});

function said(text: string, index = 0): Utterance {
  const startSample = index * 16_000;
  const words = text.split(' ').map((word, place) => ({ text: word, startSample: startSample + place * 1000, endSample: startSample + (place + 1) * 1000 }));
  return { id: `L0-U${String(index)}`, laneIndex: 0, text, words, startSample, endSample: startSample + words.length * 1000, stableWords: words.length };
}

const TALK = [said('Hello Sami Gracetoga,'), said('I live in Paris now.', 1)];

function analyst(options: Partial<AnalystOptions> & { readonly letter?: BackendLetter; readonly timeoutMs?: number; readonly policy?: Partial<TenantPolicy> } = {}) {
  const { letter = 'B', timeoutMs = 5000, policy = {}, ...rest } = options;
  const model = createChatCompletions({ url: `${chat.url}/`, model: 'tiny', key: 'k1', letter, timeoutMs, clock: systemClock });
  return createAnalyst({ model, clock: systemClock, policies: { policy: () => Promise.resolve({ ...DEFAULT_TENANT_POLICY, ...policy }) }, ...rest });
}

const analyse = (request: AnalysisRequest, options?: Parameters<typeof analyst>[0], utterances: readonly Utterance[] = TALK) => analyst(options).analyse('t', utterances, request, { priority: 'batch' });

test('a summary is asked for with the key, the model and the text as data', async () => {
  const { summary } = await analyse({ summary: 'bullet_points' });
  assert.equal(summary?.value, 'yes');
  const [question] = chat.questions;
  assert.deepEqual([question?.model, question?.authorization, question?.input], ['tiny', 'Bearer k1', 'Hello Sami Gracetoga,\nI live in Paris now.']);
  assert.match(question?.instructions ?? '', /data.*"- "/s);
});

test('each line is translated, and one that is missing is asked for once more', async () => {
  chat.answer = ({ instructions }) => (instructions.includes('"fr"') ? '```json\n{"1":"Bonjour Sami","2":"J’habite à Paris"}\n```' : '{"1":"Hallo"}');
  const { translations } = await analyse({ translation: { targets: ['fr', 'de'], informal: true } });
  assert.deepEqual(
    translations?.map(({ language, found }) => [language, found.value?.map(({ text, startSample }) => [text, startSample]) ?? found.error?.code]),
    [['fr', [['Bonjour Sami', 0], ['J’habite à Paris', 16_000]]], ['de', 'UPSTREAM_SHAPE_MISMATCH']],
  );
  assert.equal(chat.questions.length, 3);
  assert.ok(chat.questions.every(({ instructions }) => instructions.includes('informal')));
});

test('what is said in the wanted language already is left in its own words', async () => {
  const { translations } = await analyst().analyse('t', TALK, { translation: { targets: ['en'] } }, { priority: 'batch', language: 'en' });
  assert.deepEqual([translations?.[0]?.found.value?.map(({ text }) => text), chat.questions.length], [['Hello Sami Gracetoga,', 'I live in Paris now.'], 0]);
});

test('topics and intents are of those that were named, where no others are wanted', async () => {
  chat.answer = ({ instructions }) => JSON.stringify(instructions.includes('topics') ? { 1: ['greeting', 'Food', 'GREETING'], 9: ['Food'] } : { 2: [' Say where one lives '], 1: [] });
  const { topics, intents } = await analyse({ topics: { named: ['Greeting'], onlyNamed: true }, intents: { named: ['Buy'] } });
  assert.deepEqual(topics?.value, [{ text: 'Hello Sami Gracetoga,', labels: ['Greeting'], laneIndex: 0, startSample: 0, endSample: 3000 }]);
  assert.deepEqual(intents?.value?.map(({ labels, startSample }) => [labels, startSample]), [[['Say where one lives'], 16_000]]);
  assert.ok(chat.questions.every(({ instructions }) => /\["(Greeting|Buy)"\]/.test(instructions)));
  chat.answer = () => '{"1":"no list"}';
  assert.equal((await analyse({ topics: {} })).topics?.error?.code, 'UPSTREAM_SHAPE_MISMATCH');
});

test('entities are those that were said, at the times of their words', async () => {
  chat.answer = () => JSON.stringify({ entities: [{ line: 1, type: 'person name', text: 'sami gracetoga' }, { line: '2', type: 'LOCATION', text: 'Paris' }, { line: 2, type: 'LOCATION', text: 'London' }, { line: 9, type: 'X', text: 'Paris' }] });
  const { entities } = await analyse({ entities: true });
  assert.deepEqual(entities?.value, [
    { type: 'PERSON_NAME', text: 'Sami Gracetoga,', laneIndex: 0, startSample: 1000, endSample: 3000 },
    { type: 'LOCATION', text: 'Paris', laneIndex: 0, startSample: 19_000, endSample: 20_000 },
  ]);
});

test('sentiments and emotions are of the known ones', async () => {
  chat.answer = () => '{"1":{"sentiment":"positive","emotion":"elation"},"2":{"sentiment":"so-so","emotion":"homesick"}}';
  const { sentiments } = await analyse({ sentiments: true });
  assert.deepEqual(sentiments?.value?.map(({ text, sentiment, emotion }) => [text, sentiment, emotion]), [['Hello Sami Gracetoga,', 'positive', 'elation'], ['I live in Paris now.', 'unknown', 'neutral']]);
});

test('chapters cover the text, or are none', async () => {
  chat.answer = () => JSON.stringify({ chapters: [{ first: 1, last: 1, headline: 'A greeting', summary: 'They greet.' }, { first: 2, last: 2, headline: 'Home', summary: 'It is Paris.', keywords: ['Paris'] }] });
  const { chapters } = await analyse({ chapters: true });
  assert.deepEqual(chapters?.value?.map(({ headline, text, startSample, endSample }) => [headline, text, startSample, endSample]), [['A greeting', 'They greet.', 0, 3000], ['Home', 'It is Paris.', 16_000, 21_000]]);
  for (const bad of [[{ first: 2, last: 2 }], [{ first: 1, last: 1 }], [{ first: 1, last: 3 }]]) {
    chat.answer = () => JSON.stringify({ chapters: bad.map((each) => ({ ...each, headline: 'h', summary: 's' })) });
    assert.equal((await analyse({ chapters: true })).chapters?.error?.code, 'UPSTREAM_SHAPE_MISMATCH');
  }
});

test('each prompt has its own answer', async () => {
  chat.answer = ({ instructions }) => (instructions.includes('Where?') ? 'In Paris.' : 'Sami.');
  const { answers } = await analyse({ prompts: ['Who?', 'Where?'] });
  assert.deepEqual(answers?.map(({ prompt, found }) => [prompt, found.value]), [['Who?', 'Sami.'], ['Where?', 'In Paris.']]);
});

test('a long text is summarized piece by piece, and then as a whole', async () => {
  chat.answer = ({ input }) => `<${input.slice(0, 5)}>`;
  const long = Array.from({ length: 4 }, (_, index) => said(`line ${String(index)} and some more words`, index));
  const { summary } = await analyse({ summary: 'concise' }, { maxChars: 60 }, long);
  assert.equal(summary?.value, '<<line>');
  assert.deepEqual(chat.questions.map(({ input }) => input.split('\n').length), [2, 2, 3]);
});

test('of nothing said nothing is asked', async () => {
  const { summary, translations, entities } = await analyse({ summary: 'general', translation: { targets: ['fr'] }, entities: true }, {}, []);
  assert.deepEqual([summary?.value, translations?.[0]?.found.value, entities?.value, chat.questions.length], ['', [], [], 0]);
});

test('without a model every part says so', async () => {
  const none = createAnalyst({ clock: systemClock, policies: { policy: () => Promise.resolve(undefined) } });
  assert.equal((await none.refusal('t'))?.code, 'FEATURE_NOT_ENABLED');
  const analysis = await none.analyse('t', TALK, { summary: 'general', translation: { targets: ['fr'] }, prompts: ['?'] }, { priority: 'live' });
  assert.deepEqual([analysis.summary?.error?.code, analysis.translations?.[0]?.found.error?.code, analysis.answers?.[0]?.found.error?.code], ['FEATURE_NOT_ENABLED', 'FEATURE_NOT_ENABLED', 'FEATURE_NOT_ENABLED']);
});

test('text goes only where the tenant’s policy lets it', async () => {
  const outcome = async (letter: BackendLetter, policy: Partial<TenantPolicy>): Promise<string | undefined> => (await analyse({ summary: 'general' }, { letter, policy })).summary?.error?.code;
  assert.deepEqual(
    [
      await outcome('B', {}),
      await outcome('B', { residency: 'self_hosted' }),
      await outcome('B', { allowedBackends: 'A' }),
      await outcome('A', { residency: 'self_hosted', allowedBackends: 'A' }),
      await outcome('A', { allowedBackends: 'B' }),
    ],
    [undefined, 'AUTHZ_PERMISSION_DENIED', 'AUTHZ_PERMISSION_DENIED', undefined, undefined],
  );
  assert.equal(chat.questions.length, 3);
  const refusal = async (options: Parameters<typeof analyst>[0]): Promise<string | undefined> => (await analyst(options).refusal('t'))?.code;
  assert.deepEqual([await refusal({ policy: { allowedBackends: 'A' } }), await refusal({}), await refusal({ letter: 'A', policy: { allowedBackends: 'A' } })], ['AUTHZ_PERMISSION_DENIED', undefined, undefined]);
});

test('an endpoint that misbehaves fails the part, with a code and without a word of the text', async () => {
  const cases: readonly (readonly [ErrorCode, typeof chat.answer])[] = [
    ['BACKEND_TIMEOUT', () => () => undefined],
    ['BACKEND_TIMEOUT', () => (response) => void response.write('{')],
    ['BACKEND_RATE_LIMITED', () => (response) => void response.writeHead(429, { 'retry-after': '60' }).end()],
    ['BACKEND_UNAVAILABLE', () => (response) => void response.writeHead(401).end('bad key k1')],
    ['BACKEND_UNAVAILABLE', () => (response) => void response.destroy()],
    ['BACKEND_ERROR', () => (response) => void response.writeHead(400).end(JSON.stringify({ error: 'Paris' }))],
    ['UPSTREAM_SHAPE_MISMATCH', () => (response) => void response.end('<html>')],
    ['UPSTREAM_SHAPE_MISMATCH', () => (response) => void response.end('{"choices":[]}')],
    ['UPSTREAM_SHAPE_MISMATCH', () => (response) => void response.end('{"choices":[{"message":{"content":"half"},"finish_reason":"length"}]}')],
    ['UPSTREAM_SHAPE_MISMATCH', () => (response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()],
    ['UPSTREAM_SHAPE_MISMATCH', () => ' '],
  ];
  for (const [code, answer] of cases) {
    chat.answer = answer;
    const failures: object[] = [];
    const { summary } = await analyse({ summary: 'general' }, { timeoutMs: 100, onFailure: (failure) => failures.push(failure) });
    assert.equal(summary?.error?.code, code);
    assert.deepEqual(failures, [{ task: 'summary', code }]);
    assert.doesNotMatch(summary.error.message, /Paris|k1/);
  }
});

test('one that is busy for a moment is asked again', async () => {
  chat.answer = () => (chat.questions.length === 1 ? (response) => void response.writeHead(503, { 'retry-after': '0' }).end() : 'at last');
  assert.equal((await analyse({ summary: 'general' })).summary?.value, 'at last');
});

test('so many questions at a time, live ones first; a close breaks off all of them', async () => {
  const waiting: (() => void)[] = [];
  chat.answer = () => (response) => void waiting.push(() => response.end('{"choices":[{"message":{"content":"ok"}}]}'));
  const one = analyst({ concurrency: 1 });
  const order: string[] = [];
  const ask = async (name: string, priority: 'live' | 'batch'): Promise<void> => {
    const { summary } = await one.analyse('t', [said(name)], { summary: 'general' }, { priority });
    order.push(`${name} ${summary?.error?.code ?? 'ok'}`);
  };
  const asked = [ask('first', 'batch'), ask('second', 'batch'), ask('third', 'live')];
  while (waiting.length < 1) await new Promise((resolve) => setImmediate(resolve));
  waiting.shift()?.();
  while (waiting.length < 1) await new Promise((resolve) => setImmediate(resolve));
  one.close();
  await Promise.all(asked);
  assert.deepEqual(chat.questions.map(({ input }) => input), ['first', 'third']);
  assert.deepEqual(order.toSorted(), ['first ok', 'second SERVER_STOPPING', 'third SERVER_STOPPING']);
});

test('whatever a model answers, a part has a value or a code', async () => {
  let said = '';
  const wild = createAnalyst({ model: { letter: 'A', answer: () => Promise.resolve(said) }, clock: systemClock, policies: { policy: () => Promise.resolve(undefined) } });
  const answer = fc.oneof(fc.string(), fc.json(), fc.dictionary(fc.constantFrom('1', '2', 'entities', 'chapters'), fc.jsonValue()).map((each) => JSON.stringify(each)));
  await fc.assert(
    fc.asyncProperty(answer, async (text) => {
      said = text;
      const { entities, sentiments, chapters, translations, summary } = await wild.analyse('t', TALK, { summary: 'general', entities: true, sentiments: true, chapters: true, translation: { targets: ['fr'] } }, { priority: 'live' });
      for (const found of [summary, entities, sentiments, chapters, translations?.[0]?.found]) {
        assert.ok(found);
        assert.ok(found.value !== undefined || found.error.code === 'UPSTREAM_SHAPE_MISMATCH');
      }
    }),
  );
});
