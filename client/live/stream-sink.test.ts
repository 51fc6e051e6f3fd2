import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StreamSink } from './stream-sink.ts';
import { parseFrame, type Delta } from '../frames.ts';

function final(text: string, endSeconds: number): Delta {
  const frame = parseFrame(JSON.stringify({ type: 'delta', segment_id: text, text, is_final: true, start: 0, end: endSeconds }));
  assert.equal(frame?.type, 'delta');
  return frame;
}

test('captions that come before the place of their stream is known wait for it, and finals settle the capture so far', () => {
  const calls: unknown[] = [];
  const sink = new StreamSink({ sampleRateHz: 1000, spokenAtMs: (sample) => sample }, {
    started: (offsetSeconds) => calls.push(['started', offsetSeconds]),
    delta: (delta) => calls.push(['delta', delta.text]),
    captionDelay: () => undefined,
    settled: (untilSample) => calls.push(['settled', untilSample]),
  });
  sink.delta(final('early', 0.5));
  sink.begin(2000);
  sink.delta(final('later', 1.5));
  assert.deepEqual(calls, [['started', 2], ['delta', 'early'], ['settled', 2500], ['delta', 'later'], ['settled', 3500]]);
});
