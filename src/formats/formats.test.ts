import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { Transcript } from '../core/session/transcribe.ts';
import { cuesOf, timestamp } from './cues.ts';
import { spoken, transcriptOf } from './fixtures.ts';
import { FORMATS } from './index.ts';

const write = (id: string, transcript: Transcript): string => FORMATS.find((format) => format.id === id)!.write(transcript);

const TWO = transcriptOf(spoken('hello world', { startMs: 500, wordMs: 600 }), spoken('good bye', { startMs: 3_725_000, wordMs: 600, id: 'L0-U1' }));

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

test('long speech becomes cues of two lines of like length', () => {
  const text = 'the quick brown fox jumps over the lazy dog while five boxing wizards jump quickly past the sphinx of black quartz';
  const cues = cuesOf(transcriptOf(spoken(text, { wordMs: 100 })));
  assert.deepEqual(cues.map(({ lines }) => lines), [
    ['the quick brown fox jumps over the lazy', 'dog while five boxing wizards jump quickly'],
    ['past the sphinx of black quartz'],
  ]);
});

test('a cue lasts no longer than seven seconds, and at least one if the next leaves room', () => {
  const slow = cuesOf(transcriptOf(spoken('a b c d e f g h i', { wordMs: 1000 })));
  assert.deepEqual(slow.map(({ startMs, endMs }) => [startMs, endMs]), [[0, 7000], [7000, 9000]]);
  const short = cuesOf(transcriptOf(spoken('yes', { wordMs: 200 }), spoken('no', { startMs: 600, wordMs: 200 }), spoken('oh', { startMs: 700, wordMs: 200, laneIndex: 1 })));
  assert.deepEqual(short.map(({ startMs, endMs }) => [startMs, endMs]), [[0, 600], [600, 1600], [700, 1700]]);
});

test('whatever is said, cues hold all of it in order and never overlap on a lane', () => {
  const utterance = fc.record({ text: fc.array(fc.stringMatching(/^[a-z<&>]{1,60}$/), { minLength: 1, maxLength: 40 }), wordMs: fc.integer({ min: 1, max: 8000 }), pauseMs: fc.nat(3000) });
  fc.assert(
    fc.property(fc.array(utterance, { maxLength: 6 }), (list) => {
      let startMs = 0;
      const transcript = transcriptOf(
        ...list.map(({ text, wordMs, pauseMs }) => {
          const made = spoken(text.join(' '), { startMs, wordMs });
          startMs += text.length * wordMs + pauseMs;
          return made;
        }),
      );
      const cues = cuesOf(transcript);
      assert.equal(cues.flatMap(({ lines }) => lines).join(' '), transcript.utterances.map(({ text }) => text).join(' '));
      for (const [index, cue] of cues.entries()) {
        assert.ok(cue.endMs > cue.startMs && cue.lines.length <= 2);
        assert.ok(index === 0 || cue.startMs >= cues[index - 1]!.endMs);
        assert.ok(cue.lines.join(' ').length <= 84 || !cue.lines.join(' ').includes(' '));
      }
    }),
    { numRuns: 100 },
  );
});
