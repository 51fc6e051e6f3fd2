import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import test from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { msToSamples } from '../core/audio.ts';
import type { Transcript } from '../core/session/transcribe.ts';
import { textOf, type Utterance, type Word } from '../core/transcript.ts';
import { cuesOf, timestamp } from './cues.ts';
import { spoken, transcriptOf } from './fixtures.ts';
import { FORMATS, type WriteOptions } from './index.ts';

const write = (id: string, transcript: Transcript, options?: WriteOptions): string => FORMATS.find((format) => format.id === id)!.write(transcript, options);

/** What a player's own reader makes of a file of subtitles. */
function shown(file: string): Promise<{ readonly stdout: string }> {
  const running = promisify(execFile)('ffmpeg', ['-v', 'error', '-f', 'srt', '-i', 'pipe:0', '-f', 'webvtt', 'pipe:1']);
  running.child.stdin?.end(file);
  return running;
}

const TWO = transcriptOf(spoken('hello world', { startMs: 500, wordMs: 600 }), spoken('good bye', { startMs: 3_725_000, wordMs: 600, id: 'L0-U1' }));

/** Alice and Bob share an utterance; Bob goes on after a while. */
const DIALOGUE = ((): Transcript => {
  const first = spoken('how are you fine');
  const speaker = (at: number) => (at < 3 ? { label: 'Alice & >Bob', speakerId: 'spk_1' } : { label: 'SPEAKER_01', speakerId: null });
  const words = first.words.map((word, at) => ({ ...word, startSample: msToSamples(at * 400), endSample: msToSamples(at * 400 + 300), speaker: speaker(at) }));
  return transcriptOf({ ...first, words, speaker: speaker(0) }, { ...spoken('thanks', { startMs: 5000 }), speaker: speaker(3) });
})();

test('text is one line', () => {
  assert.equal(write('text', TWO), 'hello world good bye\n');
  assert.equal(write('text', transcriptOf()), '\n');
});

test('srt is numbered, with a comma before the milliseconds and a blank line between cues', () => {
  assert.equal(
    write('srt', TWO),
    '1\n00:00:00,500 --> 00:00:01,700\nhello world\n\n2\n01:02:05,000 --> 01:02:06,200\ngood bye\n',
  );
  assert.equal(write('srt', transcriptOf()), '');
});

test('vtt begins with its name, and has a point before the milliseconds', () => {
  assert.equal(
    write('vtt', TWO),
    'WEBVTT\n\n00:00:00.500 --> 00:00:01.700\nhello world\n\n01:02:05.000 --> 01:02:06.200\ngood bye\n',
  );
  assert.equal(write('vtt', transcriptOf()), 'WEBVTT\n');
});

test('vtt tells lanes apart, where there are several, and escapes what would be markup', () => {
  const transcript = transcriptOf(spoken('a < b & c --> d', { wordMs: 200 }), spoken('right', { laneIndex: 1, startMs: 5000, wordMs: 1500 }));
  assert.equal(
    write('vtt', transcript),
    'WEBVTT\n\n00:00:00.000 --> 00:00:01.400\n<v Channel 0>a &lt; b &amp; c --&gt; d\n\n00:00:05.000 --> 00:00:06.500\n<v Channel 1>right\n',
  );
});

test('json has every word with its time in seconds and the confidence that the engine gave', () => {
  const first = spoken('hello world', { startMs: 500, wordMs: 600 });
  const silent = { ...first, id: 'L0-U1', words: first.words.map(({ text, startSample, endSample }) => ({ text, startSample, endSample })) };
  const json = JSON.parse(write('json', transcriptOf(first, silent))) as { segments: { words: object[] }[] };
  assert.deepEqual({ ...json, segments: json.segments.length }, { text: 'hello world hello world', backend: 'A', duration: 60, segments: 2 });
  assert.deepEqual(json.segments[0], {
    id: 'L0-U0',
    lane: 0,
    text: 'hello world',
    start: 0.5,
    end: 1.7,
    words: [
      { text: 'hello', start: 0.5, end: 1.1, confidence: 0.877 },
      { text: 'world', start: 1.1, end: 1.7, confidence: 0.877 },
    ],
  });
  assert.deepEqual(json.segments[1]?.words[0], { text: 'hello', start: 0.5, end: 1.1 });
});

test('every format is known by one name and its media type', () => {
  assert.deepEqual(FORMATS.map(({ id, mediaType }) => [id, mediaType.split(';')[0]]), [
    ['json', 'application/json'],
    ['text', 'text/plain'],
    ['srt', 'application/x-subrip'],
    ['vtt', 'text/vtt'],
  ]);
});

test('timestamps carry their rounding and go beyond a day', () => {
  assert.equal(timestamp(0, '.'), '00:00:00.000');
  assert.equal(timestamp(59_999.5, '.'), '00:01:00.000');
  assert.equal(timestamp(3_599_999, ','), '00:59:59,999');
  assert.equal(timestamp(100 * 3_600_000, '.'), '100:00:00.000');
});

test('long speech becomes cues of like length, and these two lines of like length', () => {
  const text = 'the quick brown fox jumps over the lazy dog while five boxing wizards jump quickly past the sphinx of black quartz';
  const cues = cuesOf(transcriptOf(spoken(text, { wordMs: 100 })));
  assert.deepEqual(cues.map(({ lines }) => lines), [
    ['the quick brown fox jumps', 'over the lazy dog while'],
    ['five boxing wizards jump quickly', 'past the sphinx of black quartz'],
  ]);
});

test('cues end where a sentence does, lines where a clause does', () => {
  const text = 'Good morning to all of you who came here. We will begin, if nobody minds, with the minutes of the last meeting, which some of you may have read.';
  assert.deepEqual(cuesOf(transcriptOf(spoken(text))).map(({ lines }) => lines), [
    ['Good morning to all of you who came here.'],
    ['We will begin, if nobody minds,', 'with the minutes of the last meeting,'],
    ['which some of you may have read.'],
  ]);
});

test('cues end at a breath, where there is no punctuation', () => {
  const before = spoken('one two three four five six seven eight nine ten', { wordMs: 250 });
  const behind = spoken('eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen', { startMs: 2900, wordMs: 250 });
  const words = [...before.words, ...behind.words];
  const cues = cuesOf(transcriptOf({ ...before, words, text: textOf(words) }));
  assert.deepEqual(cues.map(({ lines }) => lines.join(' ')), [before.text, behind.text]);
});

test('a cue lasts no longer than seven seconds, and at least one if the next leaves room', () => {
  const slow = cuesOf(transcriptOf(spoken('a b c d e f g h i', { wordMs: 1000 })));
  assert.deepEqual(slow.map(({ startMs, endMs }) => [startMs, endMs]), [[0, 4920], [5000, 9000]]);
  const drawnOut = cuesOf(transcriptOf(spoken('oooh', { wordMs: 9000 })));
  assert.deepEqual(drawnOut.map(({ startMs, endMs }) => [startMs, endMs]), [[0, 7000]]);
  const short = cuesOf(transcriptOf(spoken('yes', { wordMs: 200 }), spoken('no', { startMs: 600, wordMs: 200 }), spoken('oh', { startMs: 700, wordMs: 200, laneIndex: 1 })));
  assert.deepEqual(short.map(({ startMs, endMs }) => [startMs, endMs]), [[0, 600], [600, 1600], [700, 1700]]);
});

test('a cue stays until it can have been read, and a gap tells it from the next', () => {
  const hurried = 'forty two characters in a second are too much';
  const [alone] = cuesOf(transcriptOf(spoken(hurried, { wordMs: 100 })));
  assert.equal(alone?.endMs, Math.ceil((hurried.length * 1000) / 20));
  const [first, second] = cuesOf(transcriptOf(spoken(hurried, { wordMs: 100 }), spoken('next', { startMs: 1500 })));
  assert.deepEqual([first?.endMs, second?.startMs], [1420, 1500]);
});

test('words without times of their own share the time of their stretch', () => {
  const text = Array.from({ length: 40 }, (_, index) => `word${String(index + 10)}`).join(' ');
  const words = text.split(' ').map((word): Word => ({ text: word, startSample: 0, endSample: msToSamples(20_000), untimed: true }));
  const cues = cuesOf(transcriptOf({ ...spoken(text), words, endSample: msToSamples(20_000) }));
  assert.ok(cues.length >= 3);
  for (const [index, { startMs, lines }] of cues.entries()) {
    const before = cues.slice(0, index).reduce((sum, cue) => sum + cue.lines.join(' ').length + 1, 0);
    assert.equal(startMs, Math.round((20_000 * before) / (text.length + 1)), lines.join(' '));
  }
});

test('another speaker is another cue, with the voice in vtt and the name in srt where it is asked for', () => {
  assert.equal(
    write('vtt', DIALOGUE),
    'WEBVTT\n\n00:00:00.000 --> 00:00:01.100\n<v Alice &amp; &gt;Bob>how are you\n\n00:00:01.200 --> 00:00:02.200\n<v SPEAKER_01>fine\n\n00:00:05.000 --> 00:00:06.000\n<v SPEAKER_01>thanks\n',
  );
  assert.match(write('srt', DIALOGUE, { speakers: true }), /\nAlice & >Bob: how are you\n[^]*\nSPEAKER_01: fine\n[^]*\nthanks\n$/);
  assert.match(write('srt', DIALOGUE), /\nhow are you\n[^]*\nfine\n/);
});

test('text is told by speaker and in paragraphs where that is asked for', () => {
  assert.equal(write('text', DIALOGUE, { speakers: true }), 'Alice & >Bob: how are you\nSPEAKER_01: fine thanks\n');
  assert.equal(write('text', DIALOGUE, { paragraphs: true }), 'how are you\n\nfine\n\nthanks\n');
  assert.equal(write('text', DIALOGUE, { speakers: true, paragraphs: true }), 'Alice & >Bob: how are you\n\nSPEAKER_01: fine\n\nthanks\n');
  assert.equal(write('text', TWO, { speakers: true }), 'hello world good bye\n');
});

test('a paragraph that has become long ends with its sentence', () => {
  const sentence = (index: number): Utterance => spoken(`${'and so on '.repeat(12)}it went.`, { startMs: index * 10_000, wordMs: 250, id: `L0-U${String(index)}` });
  const paragraphs = write('text', transcriptOf(...[0, 1, 2, 3, 4, 5].map(sentence)), { paragraphs: true }).split('\n\n');
  assert.equal(paragraphs.length, 2);
  assert.ok(paragraphs.every((paragraph) => /it went\.\s*$/.test(paragraph)));
});

test('what would be markup in srt is seen as it is said', async () => {
  const said = '<b>bold</b> {\\an8} 1 < 2 --> three';
  const file = write('srt', transcriptOf(spoken(said)));
  assert.doesNotMatch(file.split('\n').slice(2).join('\n'), /-->|<b|\{\\/);
  assert.equal(file.split('\n')[2]?.replaceAll('\u2060', ''), said);
  const { stdout } = await shown(file);
  // The reader writes WebVTT, whose escapes are known.
  assert.equal(stdout.split('\n')[3]?.replaceAll('\u2060', '').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&'), said);
});

test('line breaks in a word end neither its line nor its cue', () => {
  const broken = { ...spoken('x y'), words: [{ text: 'one\r\n\r\n2\u2028', startSample: 0, endSample: 16_000 }, { text: ' \n', startSample: 16_000, endSample: 16_000 }, { text: 'three', startSample: 16_000, endSample: 32_000 }] };
  assert.equal(write('srt', transcriptOf(broken)), '1\n00:00:00,000 --> 00:00:02,000\none 2 three\n');
  assert.equal(write('vtt', transcriptOf(broken)), 'WEBVTT\n\n00:00:00.000 --> 00:00:02.000\none 2 three\n');
});

/** Utterances of up to two lanes and three speakers, with words of any length and speed, after pauses. */
const speech = fc.array(
  fc.record({
    text: fc.array(fc.stringMatching(/^[a-z<&>.,]{1,60}$/), { minLength: 1, maxLength: 40 }),
    wordMs: fc.integer({ min: 1, max: 8000 }),
    pauseMs: fc.nat(3000),
    laneIndex: fc.nat(1),
    speakers: fc.array(fc.constantFrom(undefined, 'Alice', 'Bob'), { minLength: 1, maxLength: 5 }),
  }),
  { maxLength: 6 },
);

function transcriptFrom(list: typeof speech extends fc.Arbitrary<infer T> ? T : never): Transcript {
  let startMs = 0;
  return transcriptOf(
    ...list.map(({ text, wordMs, pauseMs, laneIndex, speakers }) => {
      const made = spoken(text.join(' '), { startMs, wordMs, laneIndex });
      startMs += text.length * wordMs + pauseMs;
      const words = made.words.map((word, index) => {
        const label = speakers[index % speakers.length];
        return label === undefined ? word : { ...word, speaker: { label, speakerId: null } };
      });
      return { ...made, words };
    }),
  );
}

test('whatever is said, cues hold every word of every speaker, once and in order', () => {
  fc.assert(
    fc.property(speech, (list) => {
      const transcript = transcriptFrom(list);
      const manyLanes = list.some(({ laneIndex }) => laneIndex > 0);
      for (const laneIndex of [0, 1]) {
        const expected = transcript.utterances
          .filter((utterance) => utterance.laneIndex === laneIndex)
          .flatMap(({ words }) => words.map(({ text, speaker }) => `${speaker?.label ?? (manyLanes ? `Channel ${String(laneIndex)}` : '')}: ${text}`));
        const told = cuesOf(transcript)
          .filter((cue) => cue.laneIndex === laneIndex)
          .flatMap(({ lines, speaker }) => lines.flatMap((line) => line.split(' ').map((word) => `${speaker ?? ''}: ${word}`)));
        assert.deepEqual(told, expected);
      }
    }),
    { numRuns: 100 },
  );
});

test('whatever is said, cues keep to their limits', () => {
  fc.assert(
    fc.property(speech, (list) => {
      const cues = cuesOf(transcriptFrom(list));
      for (const [index, { startMs, endMs, lines, laneIndex }] of cues.entries()) {
        const next = cues.slice(index + 1).find((cue) => cue.laneIndex === laneIndex);
        const chars = lines.join(' ').length;
        assert.ok(Number.isInteger(startMs) && Number.isInteger(endMs) && endMs > startMs && endMs - startMs <= 7000);
        assert.ok(lines.length === 1 || (lines.length === 2 && lines.every((line) => line.length <= 42)));
        assert.ok(lines.every((line) => line.length <= 42 || !line.includes(' ')), 'only a single word may be longer than a line');
        assert.ok(startMs >= (cues[index - 1]?.startMs ?? 0), 'in order');
        assert.ok(!next || endMs <= next.startMs, 'the lane shows one cue at a time');
        const enoughMs = Math.min(7000, Math.max(1000, (chars * 1000) / 20));
        assert.ok(endMs - startMs >= enoughMs || (next && endMs >= Math.min(next.startMs - 80, startMs + enoughMs)), 'shorter only where the next needs the room');
      }
    }),
    { numRuns: 200 },
  );
});

test('times of an edited transcript may be any', () => {
  const word = fc.record({ text: fc.constantFrom('a', 'bb', 'ccc.'), startSample: fc.nat(50_000), endSample: fc.nat(90_000), untimed: fc.constantFrom(undefined, true as const) }, { requiredKeys: ['text', 'startSample', 'endSample'] });
  fc.assert(
    fc.property(fc.array(fc.array(word, { minLength: 1, maxLength: 30 }), { maxLength: 4 }), (utterances) => {
      const edited = utterances.map((words) => ({ ...spoken('x'), words: words as Word[] }));
      const cues = cuesOf(transcriptOf(...edited));
      assert.deepEqual(cues.flatMap(({ lines }) => lines.join(' ').split(' ')), edited.flatMap(({ words }) => words.map(({ text }) => text)));
      for (const [index, { startMs, endMs }] of cues.entries()) assert.ok(endMs > startMs && endMs <= (cues[index + 1]?.startMs ?? Infinity));
    }),
    { numRuns: 100 },
  );
});
