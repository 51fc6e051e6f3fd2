import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { wordErrors } from '../e2e/wer.ts';
import { createSileroDetectors } from '../media/vad/silero.ts';
import { systemClock } from './core/clock.ts';
import { PERMISSIONS } from './core/principal.ts';
import type { Session } from './core/session/session.ts';
import { Sessions } from './core/session/sessions.ts';
import { FedSource, joined, quiet } from './core/testing/audio.ts';
import { backendOf } from './core/testing/fake-backend.ts';
import { spoken } from './core/testing/spoken.ts';
import { textOf, type NumberedEvent } from './core/transcript.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { PocketSphinx } from './recognizers/pocketsphinx.ts';

const MODEL = '/usr/share/pocketsphinx/model/en-us';
const SENTENCES = [
  'the weather is fine today and we are going to walk along the river',
  'she told me that the train will arrive at seven in the morning',
  'the children were playing in the garden when it began to rain',
] as const;
const AUDIO = SENTENCES.map((sentence) => spoken(sentence));
const STORY = SENTENCES.join(' ');

/** A real engine whose model can be taken away, so that processes which die are gone for good, until it is given back. */
class MortalEngine {
  readonly recognizer: PocketSphinx;
  readonly #folder = mkdtempSync(join(tmpdir(), 'earshot-model-'));
  readonly #model = join(this.#folder, 'model');

  constructor() {
    cpSync(MODEL, this.#model, { recursive: true });
    this.recognizer = new PocketSphinx({
      modelFolder: this.#model,
      processes: 1,
      maxLiveSessions: 2,
      maxBatchSessions: 1,
      onEngineExit: () => undefined,
      onEngineStartFailed: () => undefined,
    });
  }

  die(): void {
    renameSync(this.#model, `${this.#model}.gone`);
    for (const pid of this.recognizer.pids) process.kill(pid, 'SIGKILL');
  }

  async revive(): Promise<void> {
    renameSync(`${this.#model}.gone`, this.#model);
    for (const priority of ['live', 'batch'] as const) {
      // A start that was under way may still miss the model; another one follows.
      while (!(await this.recognizer.ready(priority).then(() => true, () => false)));
    }
  }

  async close(): Promise<void> {
    await this.recognizer.close();
    rmSync(this.#folder, { recursive: true });
  }
}

const [a, b] = [new MortalEngine(), new MortalEngine()];
after(() => Promise.all([a.close(), b.close()]));
for (const { recognizer } of [a, b]) await Promise.all([recognizer.ready('live'), recognizer.ready('batch')]);

const sessions = new Sessions({ clock: systemClock, createId: () => 'ses', createDetector: createSileroDetectors() });
const dispatcher = new Dispatcher({
  backends: [backendOf(a.recognizer, { id: 'one', model: 'm1' }), backendOf(b.recognizer, { id: 'two', letter: 'B', model: 'm2' })],
  sessions,
  policies: { policy: () => Promise.resolve(undefined) },
  clock: systemClock,
});

const open = (): Promise<Session> =>
  dispatcher.open({ tenantId: 'tenant', keyId: 'key', permissions: new Set(PERMISSIONS) }, { transport: 'websocket', priority: 'live' });

/** Tells the story; `inTheMiddleOf[n]` happens as soon as some words of sentence n were heard, while the rest of it is not yet said. */
async function tell(inTheMiddleOf: Readonly<Record<number, () => Promise<void> | void>>): Promise<NumberedEvent[]> {
  const session = await open();
  const events: NumberedEvent[] = [];
  let came = Promise.withResolvers<void>();
  const reading = (async () => {
    for await (const event of session.events()) {
      events.push(event);
      came.resolve();
      came = Promise.withResolvers();
    }
  })();
  const eventually = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await came.promise;
  };
  const source = new FedSource();
  session.addLane(source, 'lane');
  let finals = 0;
  for (const [index, audio] of AUDIO.entries()) {
    const half = Math.round(audio.length / 2);
    source.pcm(audio.subarray(0, half));
    const during = inTheMiddleOf[index];
    if (during) {
      await eventually(() => events.slice(finals).some((event) => event.type === 'utterance.interim' && event.utterance.words.length >= 3));
      await during();
    }
    source.pcm(joined(audio.subarray(half), quiet(1500)));
    await eventually(() => events.filter(({ type }) => type === 'utterance.final').length > index);
    finals = events.length;
  }
  source.end();
  await session.settled();
  await session.close('finished');
  await reading;
  return events;
}

const words = (events: readonly NumberedEvent[]) => events.flatMap((event) => (event.type === 'utterance.final' ? event.utterance.words : []));
const changes = (events: readonly NumberedEvent[]): string[] => events.flatMap((event) => (event.type === 'backend.changed' ? [`${event.from} ${event.to} ${event.model}`] : []));

test('real engines: A dies for good in the middle of a sentence, B in that of another, and no word is lost or doubled', { timeout: 120_000 }, async () => {
  const whole = await tell({});
  assert.deepEqual(changes(whole), []);
  const errorsOfWhole = wordErrors(STORY, textOf(words(whole)));

  const broken = await tell({
    0: () => {
      a.die();
    },
    2: async () => {
      const beside = await open();
      assert.equal(beside.backend, 'B', 'nobody new is sent to an engine that does not come back');
      await beside.close('finished');
      await a.revive();
      b.die();
    },
  });
  assert.deepEqual(changes(broken), ['A B m2', 'B A m1']);
  const heard = words(broken);
  const errors = wordErrors(STORY, textOf(heard));
  assert.ok(errors.rate <= errorsOfWhole.rate, `${textOf(heard)} / without: ${textOf(words(whole))}`);
  assert.deepEqual([errors.insertions, errors.deletions], [0, 0], textOf(heard));
  for (const [index, word] of heard.entries()) {
    assert.ok(word.startSample >= (heard[index - 1]?.endSample ?? 0), `"${word.text}" lies on the word before it`);
  }
  const finals = broken.flatMap((event) => (event.type === 'utterance.final' ? [event.utterance.id] : []));
  assert.deepEqual(finals, ['L0-U0', 'L0-U1', 'L0-U2']);
  assert.deepEqual(broken.map(({ seq }) => seq), broken.map(({ seq }) => seq).toSorted((one, two) => one - two));
  assert.deepEqual(broken.at(-1)?.type, 'session.closed');

  const [one, two] = dispatcher.health();
  // How often depends on how many segments waited on it when it fell silent.
  assert.deepEqual([one?.backend, [...(one?.failures.keys() ?? [])], two?.backend, [...(two?.failures.keys() ?? [])]], ['one', ['silent'], 'two', ['silent']]);
  await b.revive();
  const back = await open();
  assert.equal(back.backend, 'A');
  await back.close('finished');
});
