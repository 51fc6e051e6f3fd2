import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileName, formatSubtitles } from './subtitles.ts';
import type { Utterance } from './transcript.ts';

function utterance(text: string, startSeconds: number, endSeconds: number, more: Partial<Utterance> = {}): Utterance {
  const words = text.split(' ').map((word) => ({ text: word }));
  return { id: `${startSeconds}`, lane: 0, words, isFinal: true, stableWords: words.length, startSeconds, endSeconds, ...more };
}

test('plain text is a line per utterance', () => {
  assert.equal(formatSubtitles([utterance('hello world', 0, 1), utterance('bye', 2, 3)], 'txt'), 'hello world\nbye\n');
});

test('SubRip numbers its cues and writes times with a comma', () => {
  assert.equal(
    formatSubtitles([utterance('hello world', 0.1, 1.25), utterance('bye', 3599.9996, 3661.5)], 'srt'),
    '1\n00:00:00,100 --> 00:00:01,250\nhello world\n\n2\n01:00:00,000 --> 01:01:01,500\nbye\n',
  );
});

test('WebVTT has its header and writes times with a point', () => {
  assert.equal(formatSubtitles([utterance('hello', 0, 1)], 'vtt'), 'WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nhello\n');
});

test('an empty transcript is still a valid file', () => {
  assert.deepEqual((['txt', 'srt', 'vtt'] as const).map((format) => formatSubtitles([], format)), ['', '', 'WEBVTT\n']);
});

test('WebVTT escapes what would be markup', () => {
  const text = formatSubtitles([utterance('a <b> & c --> d &lt;', 0, 1)], 'vtt');
  assert.ok(text.endsWith('\na &lt;b&gt; &amp; c --&gt; d &amp;lt;\n'), text);
});

test('SubRip, which has no escapes, gets look-alikes for arrows, tags and overrides, and keeps the rest', () => {
  const text = formatSubtitles([utterance('x --> y <i> </i> 1 < 2 {\\an8} {ok}', 0, 1)], 'srt');
  assert.ok(text.endsWith('\nx → y ‹i> ‹/i> 1 < 2 (\\an8} {ok}\n'), text);
});

test('a long utterance becomes cues that can be read, in the words\' own time', () => {
  const words = Array.from({ length: 40 }, (_, index) => ({ text: `word${index}`, startSeconds: index * 0.25, endSeconds: index * 0.25 + 0.2 }));
  const vtt = formatSubtitles([utterance('', 0, 10, { words })], 'vtt');
  const cues = vtt.split('\n\n').slice(1);
  assert.ok(cues.length > 2);
  for (const cue of cues) {
    const [times = '', ...lines] = cue.trim().split('\n');
    assert.match(times, /^\d\d:\d\d:\d\d\.\d{3} --> \d\d:\d\d:\d\d\.\d{3}$/);
    assert.ok(lines.length <= 2);
    for (const line of lines) assert.ok(line.length <= 48, line);
  }
  assert.equal(cues.flatMap((cue) => cue.trim().split('\n').slice(1)).join(' '), words.map((word) => word.text).join(' '));
  assert.match(cues[1] ?? '', /^00:00:03\.\d{3} -->/);
});

test('words without times share out the utterance\'s', () => {
  const text = Array.from({ length: 30 }, () => 'aaaa').join(' ');
  const cues = formatSubtitles([utterance(text, 10, 22)], 'srt').split('\n\n');
  assert.match(cues[0] ?? '', /00:00:10,000 --> 00:00:16,000/);
  assert.match(cues[1] ?? '', /00:00:16,000 -->/);
});

test('a cue is never shorter than the eye can see', () => {
  assert.match(formatSubtitles([utterance('hm', 5, 5)], 'srt'), /00:00:05,000 --> 00:00:05,200/);
});

test('several channels are named', () => {
  const both = [utterance('hello', 0, 1), utterance('hi', 1, 2, { lane: 1 })];
  assert.equal(formatSubtitles(both, 'txt'), 'Channel 1: hello\nChannel 2: hi\n');
  assert.match(formatSubtitles(both, 'srt'), /\nChannel 2: hi\n/);
  assert.match(formatSubtitles(both, 'vtt'), /\n<v Channel 2>hi\n/);
});

test('file names carry the local minute', () => {
  assert.equal(fileName(new Date(2026, 4, 8, 5, 7), 'srt'), 'earshot-2026-05-08-0507.srt');
});
