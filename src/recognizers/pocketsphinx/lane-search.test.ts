import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import { SAMPLE_RATE_HZ } from '../../core/audio.ts';
import { joined, quiet } from '../../core/testing/audio.ts';
import { spoken } from '../../core/testing/spoken.ts';
import { CEPSTRUM_SIZE, type DecodedWord, modelPaths } from './library.ts';
import { LaneSearch, type Decoders, type LaneSearchOptions } from './lane-search.ts';
import type { FromEngine, LaneState } from './messages.ts';
import { SearchTurns } from '../adapters/search-turns.ts';
import type { SegmentDecoder } from './segment-search.ts';

const MODEL = modelPaths('/usr/share/pocketsphinx/model/en-us');
const SECOND = SAMPLE_RATE_HZ;
const SPEECH = joined(spoken('The weather is fine today.'), quiet(400), spoken('We are going to walk along the river.'), quiet(400));

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(() => resolve()));
const ticks = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i += 1) await tick();
};

/** Says, as its only word, what it was given since its start: the mean, and the frames block by block. */
class RecordingDecoder implements SegmentDecoder {
  readonly starts: Float32Array[] = [];
  readonly previousWords: (string | undefined)[] = [];
  narrowFrames = 0;
  /** Of each end. */
  readonly secondPasses: boolean[] = [];
  readonly #log: (blockFrames: number) => void;
  #hash = createHash('sha1');
  frames = 0;
  isRunning = false;

  constructor(log: (blockFrames: number) => void) {
    this.#log = log;
  }

  start(mean: Float32Array, previousWord?: string): void {
    assert.equal(this.isRunning, false, 'started twice');
    this.isRunning = true;
    this.starts.push(mean);
    this.previousWords.push(previousWord);
    this.#hash = createHash('sha1').update(mean).update(previousWord ?? '');
    this.frames = 0;
  }

  async process(cepstra: Float32Array, { narrow = false }: { narrow?: boolean } = {}): Promise<void> {
    if (narrow) this.narrowFrames += cepstra.length / CEPSTRUM_SIZE;
    this.#log(cepstra.length / CEPSTRUM_SIZE);
    this.#hash.update(cepstra).update('|');
    this.frames += cepstra.length / CEPSTRUM_SIZE;
    await tick();
  }

  async end({ secondPass = true }: { secondPass?: boolean } = {}): Promise<void> {
    this.secondPasses.push(secondPass);
    await tick();
    this.isRunning = false;
  }

  words(): DecodedWord[] {
    const last = this.frames - 1;
    return [{ text: `${String(this.frames)} ${this.#hash.copy().digest('hex')}`, startFrame: last, endFrame: last, confidence: 1 }];
  }
}

interface Lane {
  readonly search: LaneSearch;
  readonly decoder: RecordingDecoder;
  readonly messages: FromEngine[];
  readonly leased: () => number;
  /** The words and the state after each segment, once so many are settled. */
  readonly settled: (count: number) => Promise<object[]>;
  readonly consumed: () => number;
}

function openLane({ turns = new SearchTurns(), log = () => undefined, state, others = 0, options }: { turns?: SearchTurns; log?: (blockFrames: number) => void; state?: LaneState; others?: number; options?: LaneSearchOptions } = {}): Lane {
  const decoder = new RecordingDecoder(log);
  const messages: FromEngine[] = [];
  let leased = 0;
  const decoders: Decoders = {
    get leased() {
      return leased + others;
    },
    lease: () => Promise.resolve(decoder).finally(() => (leased += 1)),
    release: () => (leased -= 1),
  };
  const search = new LaneSearch(1, MODEL, decoders, turns, state, (message) => messages.push(message), options);
  const settled = async (count: number): Promise<object[]> => {
    for (;;) {
      // What it took is another matter than what was heard.
      const told = messages.flatMap((message) => (message.type === 'settled' ? [{ ...message, searched: undefined }] : []));
      if (told.length >= count) return told;
      await tick();
    }
  };
  const consumed = (): number => messages.reduce((sum, message) => sum + (message.type === 'consumed' ? message.samples : 0), 0);
  return { search, decoder, messages, leased: () => leased, settled, consumed };
}

/** What the lane is told once so many samples are written. */
type Step = { readonly atSample: number } & ({ readonly begin: number } | { readonly end: number } | { readonly hint: 'pause' | 'resume' });

/** A segment that goes on after a pause and ends in another one, one that is drawn back, and one that ends where the audio does. */
const STEPS: readonly Step[] = [
  { atSample: 0.4 * SECOND, begin: 0 },
  { atSample: 1.15 * SECOND, hint: 'pause' },
  { atSample: 1.5 * SECOND, hint: 'resume' },
  { atSample: 1.7 * SECOND, hint: 'pause' },
  { atSample: 2 * SECOND, end: 2 * SECOND },
  { atSample: 2.2 * SECOND, begin: 2 * SECOND },
  { atSample: 3.8 * SECOND, end: 3.2 * SECOND },
  { atSample: 3.8 * SECOND, begin: 3.2 * SECOND },
];

/** Feeds the speech in `pieces` of samples, pausing for `pauses` of the event loop's turns in between, both again and again. */
async function hear(lane: Lane, pieces: readonly number[], pauses: readonly number[]): Promise<object[]> {
  let sample = 0;
  let piece = 0;
  let segments = 0;
  const last: Step = { atSample: SPEECH.length, end: SPEECH.length };
  for (const step of [...STEPS, last]) {
    while (sample < step.atSample) {
      const to = Math.min(step.atSample, sample + pieces[piece % pieces.length]!);
      lane.search.write(sample, SPEECH.slice(sample, to));
      sample = to;
      await ticks(pauses[piece % pauses.length]!);
      piece += 1;
    }
    if ('begin' in step) lane.search.begin(segments++, step.begin);
    else if ('end' in step) lane.search.end(step.end);
    else if (step.hint === 'pause') lane.search.pause(step.atSample);
    else lane.search.resume();
  }
  return lane.settled(3);
}

test('the words of a segment depend on the samples alone, not on their pieces or on when they came', async () => {
  const state: LaneState = { cepstralSum: new Float64Array(CEPSTRUM_SIZE).fill(20_000), frames: 2000, lastWord: undefined, context: [] };
  const expected = { new: await hear(openLane(), [512], [0]), known: await hear(openLane({ state }), [512], [0]) };
  const pieces = fc.array(fc.integer({ min: 40, max: 20_000 }), { minLength: 1, maxLength: 5 });
  const pauses = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(pieces, pauses, async (some, rests) => {
      assert.deepEqual(await hear(openLane(), some, rests), expected.new);
      assert.deepEqual(await hear(openLane({ state }), some, rests), expected.known);
    }),
    { numRuns: 15, examples: [[[512], [30]], [[20_000], [0]], [[160], [1]], [[1014, 8793, 9667, 17_349], [0, 20, 14]]] },
  );
});

test('segments that are complete before their search begins are searched once', async () => {
  const lane = openLane();
  await hear(lane, [SPEECH.length], [0]);
  assert.equal(lane.decoder.starts.length, 3);
});

test('in a young lane an open segment is searched from 1 s of speech on, and again when it is complete', async () => {
  const lane = openLane();
  lane.search.begin(0, 0);
  lane.search.write(0, SPEECH.slice(0, 2 * SECOND));
  await ticks(100);
  lane.search.write(2 * SECOND, SPEECH.slice(2 * SECOND));
  await ticks(200);
  lane.search.end(SPEECH.length);
  await lane.settled(1);
  assert.equal(lane.decoder.starts.length, 2);
  assert.notDeepEqual(lane.decoder.starts[0], lane.decoder.starts[1]);
});

/** A lane whose first segment holds all the speech, `times` over, and has paused. */
async function pausedLane({ times = 1, ...options }: Parameters<typeof openLane>[0] & { times?: number } = {}): Promise<Lane> {
  const lane = openLane({ state: { cepstralSum: new Float64Array(CEPSTRUM_SIZE).fill(2000), frames: 2000, lastWord: undefined, context: [] }, ...options });
  lane.search.begin(0, 0);
  for (let i = 0; i < times; i += 1) lane.search.write(i * SPEECH.length, SPEECH);
  lane.search.pause(times * SPEECH.length);
  await ticks(200);
  return lane;
}

test('a segment that has paused for a while is ended before that is known, and not searched beyond the pause', async () => {
  const lane = await pausedLane();
  const before = lane.decoder.frames;
  lane.search.write(SPEECH.length, quiet(300));
  await ticks(50);
  assert.equal(lane.decoder.isRunning, false);
  lane.search.end(SPEECH.length + 0.3 * SECOND);
  await lane.settled(1);
  assert.equal(lane.decoder.starts.length, 1);
  assert.ok(lane.decoder.frames - before < 10, 'the rest of a block');
  assert.equal(lane.consumed(), SPEECH.length + 0.3 * SECOND);
});

test('a segment that goes on after it was ended early is searched anew, and a short pause costs nothing', async () => {
  for (const [pauseMs, starts] of [[100, 1], [300, 2]] as const) {
    const lane = await pausedLane();
    lane.search.write(SPEECH.length, quiet(pauseMs));
    await ticks(50);
    lane.search.resume();
    lane.search.write(SPEECH.length + (pauseMs * SECOND) / 1000, SPEECH);
    await ticks(300);
    lane.search.end(2 * SPEECH.length + (pauseMs * SECOND) / 1000);
    await lane.settled(1);
    assert.equal(lane.decoder.starts.length, starts);
  }
});

test('where a live lane has room, the search of a long segment is ended sooner in a pause, and waits for no turn', async () => {
  for (const [lanes, keepsPace, isRunning] of [[2, true, false], [3, true, true], [2, false, true]] as const) {
    const turns = new SearchTurns();
    const options = { lanes: () => lanes, keepsPace };
    const long = await pausedLane({ times: 3, options });
    const short = await pausedLane({ turns, options });
    void turns.take(() => new Promise(() => undefined));
    short.search.write(SPEECH.length, quiet(300));
    await ticks(50);
    assert.deepEqual([long.decoder.isRunning, short.decoder.isRunning], [isRunning, isRunning]);
  }
});

test('in a lane that is known a segment is searched as the continuation of what was said up to 3 s before it', async () => {
  const lane = openLane({ state: { cepstralSum: new Float64Array(CEPSTRUM_SIZE).fill(2000), frames: 2000, lastWord: undefined, context: [] } });
  const say = async (id: number, startSample: number): Promise<void> => {
    lane.search.write(startSample, SPEECH);
    lane.search.begin(id, startSample);
    lane.search.end(startSample + SPEECH.length);
    await lane.settled(id + 1);
  };
  await say(0, 0);
  await say(1, SPEECH.length);
  await say(2, 2 * SPEECH.length + 3.5 * SECOND);
  const words = lane.messages.flatMap((message) => (message.type === 'settled' ? [message.words[0]?.text] : []));
  assert.deepEqual(lane.decoder.previousWords, [undefined, words[0], undefined]);
});

test('in a young lane what decides a segment is searched with what was said before, whose words are not told again', async () => {
  const lane = openLane();
  const [first, second, third] = (await hear(lane, [SPEECH.length], [0])) as Extract<FromEngine, { type: 'settled' }>[];
  const frames = (settled: typeof first): number => Number(settled!.words[0]!.text.split(' ')[0]);
  const lengths = [first!, second!, third!].map(({ searched }, index) => ({ searched, frames: frames([first, second, third][index]) }));
  assert.deepEqual(lane.decoder.previousWords, [undefined, undefined, undefined]);
  assert.ok(lengths[1]!.frames > lengths[0]!.frames && lengths[2]!.frames > lengths[1]!.frames, 'each search goes over all that was said');
  assert.deepEqual(third!.state.context.map((part) => part.length / CEPSTRUM_SIZE), [lengths[0]!.frames, lengths[1]!.frames - lengths[0]!.frames, lengths[2]!.frames - lengths[1]!.frames]);
  // The decoder's last word is of the last frame.
  assert.ok(third!.words[0]!.startSample >= 3.2 * SECOND - 320 && third!.words[0]!.endSample <= SPEECH.length);
});

test('a lane that goes on in a fresh process is searched with what was said in the one before', async () => {
  const first = openLane();
  const [{ state }] = (await hear(first, [512], [0])) as [Extract<FromEngine, { type: 'settled' }>];
  const second = openLane({ state });
  second.search.begin(0, 0);
  second.search.write(0, SPEECH);
  second.search.end(SPEECH.length);
  await second.settled(1);
  const said = state.context.reduce((sum, part) => sum + part.length / CEPSTRUM_SIZE, 0);
  assert.ok(said > 100);
  assert.equal(second.decoder.frames, said + Math.floor((SPEECH.length - 410) / 160) + 1);
});

test('a lane that knows its mean searches a segment once', async () => {
  const first = openLane();
  const [, , { state }] = (await hear(first, [512], [0])) as [unknown, unknown, Extract<FromEngine, { type: 'settled' }>];
  const factor = 2000 / state.frames;
  const warm = openLane({ state: { cepstralSum: state.cepstralSum.map((sum) => sum * factor), frames: 2000, lastWord: undefined, context: [] } });
  warm.search.begin(0, 0);
  warm.search.write(0, SPEECH);
  await ticks(200);
  warm.search.end(SPEECH.length);
  await warm.settled(1);
  assert.equal(warm.decoder.starts.length, 1);
});

/** Writes the speech as it is said. */
function speak(lane: Lane, setClock: (ms: number) => void): void {
  const step = SECOND / 10;
  for (let at = 0; at < SPEECH.length; at += step) {
    setClock(((at + step) / SECOND) * 1000);
    lane.search.write(at, SPEECH.slice(at, at + step));
  }
}

test('only a lane that keeps pace, shares a crowded core and is late is searched narrowly and without the second pass', async () => {
  const known: LaneState = { cepstralSum: new Float64Array(CEPSTRUM_SIZE).fill(2000), frames: 2000, lastWord: undefined, context: [] };
  for (const [keepsPace, others, lateMs, isHasty] of [[true, 2, 600, true], [true, 2, 400, false], [true, 1, 600, false], [false, 2, 600, false]] as const) {
    let nowMs = 0;
    const lane = openLane({ state: known, others, options: { keepsPace, nowMs: () => nowMs } });
    lane.search.begin(0, 0);
    speak(lane, (ms) => (nowMs = ms));
    nowMs += lateMs;
    lane.search.end(SPEECH.length);
    await lane.settled(1);
    const what = `${String(keepsPace)}, ${String(others)} others, ${String(lateMs)} ms late`;
    assert.deepEqual(lane.decoder.secondPasses, [!isHasty], what);
    // The last turn is as late; what is said a second before its end is later.
    assert.equal(lane.decoder.narrowFrames > 0, isHasty || (keepsPace && others > 1), what);
  }
});

test('in a young lane the search that follows is thrown away without a second pass, or decides if it is late', async () => {
  for (const [lateMs, starts, secondPasses] of [[0, 2, [false, true]], [600, 1, [false]]] as const) {
    let nowMs = 0;
    const lane = openLane({ others: 2, options: { keepsPace: true, nowMs: () => nowMs } });
    lane.search.begin(0, 0);
    speak(lane, (ms) => (nowMs = ms));
    await ticks(200);
    nowMs += lateMs;
    lane.search.end(SPEECH.length);
    await lane.settled(1);
    assert.equal(lane.decoder.starts.length, starts);
    assert.deepEqual(lane.decoder.secondPasses, secondPasses);
  }
});

test('lanes take turns; a turn is for what the lane has waiting, up to a second', async () => {
  const turns = new SearchTurns();
  const log: string[] = [];
  const lanes = ['a', 'b'].map((name) => openLane({ turns, log: (frames) => log.push(`${name}${String(frames)}`) }));
  for (const { search } of lanes) {
    search.begin(0, 0);
    search.write(0, SPEECH.subarray(0, 2.5 * SECOND));
  }
  await ticks(100);
  const ofTurn = (name: string, blocks: number): string[] => Array.from({ length: blocks }, () => `${name}10`);
  // The front end keeps the last window, so that 248 frames are there.
  assert.deepEqual(log, [...ofTurn('a', 10), ...ofTurn('b', 10), ...ofTurn('a', 10), ...ofTurn('b', 10), ...ofTurn('a', 4), ...ofTurn('b', 4)]);
});

test('while others are searched beside it a lane gathers 400 ms for a turn, but not in a pause', async () => {
  for (const [others, inFlow, inPause] of [[0, 150, 150], [1, 130, 150]] as const) {
    const known: LaneState = { cepstralSum: new Float64Array(CEPSTRUM_SIZE).fill(2000), frames: 2000, lastWord: undefined, context: [] };
    const lane = openLane({ state: known, others });
    lane.search.begin(0, 0);
    let written = 0;
    // The front end keeps the last window back: 40, 90, 130, 150 frames.
    for (const samples of [420, 920, 1320, 1520].map((ms) => (ms * SECOND) / 1000)) {
      lane.search.write(written, SPEECH.slice(written, samples));
      written = samples;
      await ticks(60);
    }
    assert.equal(lane.decoder.frames, inFlow);
    lane.search.pause(written);
    await ticks(60);
    assert.equal(lane.decoder.frames, inPause);
  }
});

test('interims are told after each turn, a second of speech at most, and none of a segment that has ended', async () => {
  const lane = openLane();
  lane.search.begin(0, 0);
  lane.search.write(0, SPEECH.subarray(0, 2 * SECOND));
  await ticks(60);
  assert.equal(lane.messages.filter(({ type }) => type === 'interim').length, 2);
  lane.search.write(2 * SECOND, SPEECH.subarray(2 * SECOND, 3 * SECOND));
  lane.search.end(3 * SECOND);
  await lane.settled(1);
  assert.equal(lane.messages.filter(({ type }) => type === 'interim').length, 2);
});

test('a search of what has ended says with each turn that it goes on', async () => {
  const lane = openLane();
  await hear(lane, [SPEECH.length], [0]);
  const turns = lane.messages.filter(({ type }) => type === 'searching').length;
  assert.ok(turns >= lane.decoder.frames / 100 - 1, `${String(turns)} turns`);
});

test('every written sample is told as consumed once', async () => {
  for (const pause of [0, 40]) {
    const lane = openLane();
    await hear(lane, [512], [pause]);
    assert.equal(lane.consumed(), SPEECH.length);
  }
});

test('a segment in which no speech is found is consumed while it is open: a writer that waits for that goes on', async () => {
  const lane = openLane();
  lane.search.begin(0, 0);
  lane.search.write(0, quiet(5000));
  await ticks(20);
  assert.ok(lane.consumed() > 4 * SECOND, String(lane.consumed()));
  lane.search.end(5 * SECOND);
  await lane.settled(1);
  assert.equal(lane.consumed(), 5 * SECOND);
});

test('a lane closed in the middle of a search gives its decoder back and says no more', async () => {
  const lane = openLane();
  lane.search.begin(0, 0);
  lane.search.write(0, SPEECH);
  await ticks(12);
  assert.equal(lane.leased(), 1);
  const told = lane.messages.filter(({ type }) => type !== 'consumed').length;
  lane.search.close();
  await ticks(20);
  assert.equal(lane.leased(), 0);
  assert.equal(lane.messages.filter(({ type }) => type !== 'consumed').length, told);
});
