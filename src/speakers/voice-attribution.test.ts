import assert from 'node:assert/strict';
import test from 'node:test';
import { SAMPLE_RATE_HZ, type PcmFrame } from '../core/audio.ts';
import { EarshotError } from '../core/errors.ts';
import { textOf, type Utterance, type Word } from '../core/transcript.ts';
import { groupVoices } from './clustering.ts';
import type { SpeakerEngine } from './speaker-engine.ts';
import type { VoiceMeasure } from './voice.ts';
import { type KnownVoice, VoiceAttribution } from './voice-attribution.ts';

const measure: VoiceMeasure = {
  id: 'line',
  merge: (a, b) => Float64Array.of(a[0]! + b[0]!, a[1]! + b[1]!),
  difference: (a, b) => Math.abs(a[1]! / a[0]! - b[1]! / b[0]!) / 10,
  speechSeconds: (print) => print[0]!,
};

/** Audio whose sample values say who speaks: every second is a phrase, 0 is nobody. */
class FakeEngine implements SpeakerEngine {
  readonly measure = measure;
  asked = 0;
  fails = false;

  listen(samples: Int16Array) {
    this.asked += 1;
    if (this.fails) return Promise.reject(new EarshotError('BACKEND_ERROR', 'no'));
    const seconds = Array.from({ length: Math.floor(samples.length / SAMPLE_RATE_HZ) }, (_, second) => second * SAMPLE_RATE_HZ);
    return Promise.resolve(
      seconds.filter((start) => samples[start] !== 0).map((start) => ({ startSample: start, endSample: start + SAMPLE_RATE_HZ, print: Float64Array.of(2, 2 * samples[start]!) })),
    );
  }

  group(prints: readonly Float64Array[]) {
    this.asked += 1;
    return this.fails ? Promise.reject(new EarshotError('BACKEND_ERROR', 'no')) : Promise.resolve(groupVoices(prints, measure));
  }

  close() {
    return Promise.resolve();
  }
}

let utterances = 0;

/** An utterance at a second of the lane, with one word per second, and the voices that speak them. */
function said(atSecond: number, ...voices: readonly number[]): [Utterance, PcmFrame] {
  const words = voices.map((_, index): Word => ({ text: `w${String(atSecond + index)}`, startSample: (atSecond + index) * SAMPLE_RATE_HZ + 2000, endSample: (atSecond + index + 1) * SAMPLE_RATE_HZ - 2000 }));
  const samples = Int16Array.from({ length: voices.length * SAMPLE_RATE_HZ }, (_, index) => voices[Math.floor(index / SAMPLE_RATE_HZ)]!);
  utterances += 1;
  return [
    { id: `L0-U${String(utterances)}`, laneIndex: 0, text: textOf(words), words, startSample: words[0]!.startSample, endSample: words.at(-1)!.endSample, stableWords: words.length },
    { kind: 'pcm', startSample: atSecond * SAMPLE_RATE_HZ, samples },
  ];
}

function rig(known: KnownVoice[] = []) {
  const engine = new FakeEngine();
  const faults: unknown[] = [];
  const attribution = new VoiceAttribution({ engine, knownVoices: () => Promise.resolve(known), onFault: (error) => faults.push(error) });
  return { engine, faults, attribution };
}

const who = (utterance: Utterance): (string | undefined)[] => utterance.words.map(({ speaker }) => speaker?.label);

test('voices are numbered in the order in which they speak first, and keep their numbers', async () => {
  const { attribution } = rig();
  attribution.laneOpened(0);
  const labels = [];
  for (const utterance of [said(0, 50, 50), said(2, 10), said(3, 50), said(4, 90), said(5, 10, 10)]) labels.push((await attribution.attribute(...utterance)).speaker?.label);
  assert.deepEqual(labels, ['SPEAKER_00', 'SPEAKER_01', 'SPEAKER_00', 'SPEAKER_02', 'SPEAKER_01']);
});

test('within an utterance each word has its own speaker, and the utterance who spoke longest', async () => {
  const { attribution } = rig();
  const [first] = [await attribution.attribute(...said(7, 10, 50, 50))];
  assert.deepEqual(who(first), ['SPEAKER_00', 'SPEAKER_01', 'SPEAKER_01']);
  assert.equal(first.speaker?.label, 'SPEAKER_01');
});

test('who is known has a name, and others still count from 0', async () => {
  const known = [{ speakerId: 'spk_1', displayName: 'Alice', print: Float64Array.of(10, 10 * 50.3) }];
  const { attribution } = rig(known);
  const [alice, other] = [await attribution.attribute(...said(0, 50)), await attribution.attribute(...said(1, 10))];
  assert.deepEqual([alice.speaker, other.speaker], [{ label: 'Alice', speakerId: 'spk_1' }, { label: 'SPEAKER_00', speakerId: null }]);
  known.pop();
  assert.equal((await attribution.attribute(...said(2, 50))).speaker?.label, 'SPEAKER_01', 'who is erased is nobody in the next final');
});

test('a recording heard whole is told again from all of it', async () => {
  const { attribution } = rig();
  // Heard one after the other, 112 is another voice than 100; that there is a 106 between them shows only later.
  const heard = [];
  for (const utterance of [said(0, 100), said(1, 112), said(2, 400), said(3, 106)]) heard.push(await attribution.attribute(...utterance));
  assert.deepEqual(heard.map(({ speaker }) => speaker?.label), ['SPEAKER_00', 'SPEAKER_01', 'SPEAKER_02', 'SPEAKER_00']);
  const concluded = await attribution.conclude(heard);
  assert.deepEqual(concluded.map(({ speaker }) => speaker?.label), ['SPEAKER_00', 'SPEAKER_00', 'SPEAKER_01', 'SPEAKER_00']);
});

test('with a second lane nobody listens any more, and its label is a new one', async () => {
  const { attribution, engine } = rig();
  attribution.laneOpened(0);
  assert.ok(attribution.wantsAudio);
  await attribution.attribute(...said(0, 10));
  attribution.laneOpened(1);
  assert.equal(attribution.wantsAudio, false);
  const asked = engine.asked;
  const [utterance, audio] = said(1, 10);
  assert.equal((await attribution.attribute(utterance, audio)).speaker?.label, 'SPEAKER_01');
  assert.equal((await attribution.attribute({ ...utterance, laneIndex: 1 }, audio)).speaker?.label, 'SPEAKER_02');
  assert.equal(attribution.speakerOf(1)?.label, 'SPEAKER_02');
  assert.equal(engine.asked, asked);
});

test('an engine that fails costs labels and no words', async () => {
  const { attribution, engine, faults } = rig();
  const [utterance, audio] = said(0, 10);
  const labelled = await attribution.attribute(utterance, audio);
  engine.fails = true;
  assert.deepEqual(await attribution.attribute(utterance, audio), utterance);
  assert.deepEqual(await attribution.conclude([labelled]), [labelled], 'and labels that were given stay');
  assert.equal(faults.length, 2);
});

test('speech in which no voice can be heard has no speaker', async () => {
  const { attribution } = rig();
  const [utterance, audio] = said(0, 0, 0);
  assert.deepEqual(await attribution.attribute(utterance, audio), utterance);
  assert.deepEqual(await attribution.attribute(utterance, undefined), utterance);
  assert.deepEqual(await attribution.conclude([utterance]), [utterance]);
});
