import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseFrame } from './frames.ts';

test('a final delta with words and confidences', () => {
  const frame = parseFrame(JSON.stringify({
    type: 'delta', seq: 7, segment_id: 'L0-U3', lane: 0, text: 'hello and', is_final: true, start: 0, end: 1.8, confidence: 0.9,
    words: [{ text: 'hello', start: 0.1, end: 0.5, confidence: 0.8 }, { text: 'and', start: 0.6, end: 0.7, confidence: 1.00001 }],
  }));
  assert.deepEqual(frame, {
    type: 'delta', seq: 7, segmentId: 'L0-U3', lane: 0, text: 'hello and', isFinal: true, stableWords: 2, startSeconds: 0, endSeconds: 1.8,
    words: [
      { text: 'hello', startSeconds: 0.1, endSeconds: 0.5, confidence: 0.8 },
      { text: 'and', startSeconds: 0.6, endSeconds: 0.7, confidence: 1 },
    ],
  });
});

test('a delta without words is split at blanks, and never more words are stable than there are', () => {
  const frame = parseFrame('{"type":"delta","segment_id":"a","text":" two  words ","is_final":false,"stable_words":5}');
  assert.equal(frame?.type, 'delta');
  assert.deepEqual(frame.words, [{ text: 'two' }, { text: 'words' }]);
  assert.equal(frame.stableWords, 2);
});

test('ready, closed, reconnect and error', () => {
  assert.deepEqual(parseFrame('{"type":"ready","backend_used":"A","extra":1}'), { type: 'ready', backend: 'A' });
  assert.deepEqual(parseFrame('{"type":"closed","audio_bytes":4,"audio_duration_ms":12}'), { type: 'closed', audioDurationMs: 12 });
  assert.deepEqual(parseFrame('{"type":"error","code":"CAPACITY_EXCEEDED","message":"full","retry_after":3}'), {
    type: 'error', code: 'CAPACITY_EXCEEDED', message: 'full', retryAfterSeconds: 3,
  });
  assert.deepEqual(parseFrame('{"type":"reconnect","seq":21}'), { type: 'reconnect', seq: 21 });
  assert.deepEqual(parseFrame('{"type":"error","retry_after":null}'), { type: 'error', code: 'UNKNOWN', message: '' });
});

test('types it does not know, and anything that is not an object, are ignored', () => {
  for (const message of ['{"type":"speech_started"}', '[]', 'null', '1', '{', '', '{"type":"delta"}']) {
    assert.equal(parseFrame(message), undefined, message);
  }
});

test('no message makes it throw, and what it lets through keeps its promises', () => {
  const nearlyDelta = fc.record(
    {
      type: fc.constant('delta'), seq: fc.anything(), segment_id: fc.oneof(fc.string(), fc.anything()), lane: fc.anything(),
      text: fc.oneof(fc.string(), fc.anything()), is_final: fc.anything(), stable_words: fc.anything(), start: fc.anything(),
      end: fc.anything(), words: fc.oneof(fc.array(fc.record({ text: fc.string(), confidence: fc.anything() })), fc.anything()),
    },
    { requiredKeys: ['type'] },
  );
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json(), nearlyDelta.map((value) => JSON.stringify(value))), (message) => {
    const frame = parseFrame(message);
    if (frame?.type !== 'delta') return;
    assert.ok(frame.stableWords <= frame.words.length);
    assert.ok(frame.endSeconds >= frame.startSeconds);
    for (const word of frame.words) assert.ok(word.confidence === undefined || (word.confidence >= 0 && word.confidence <= 1));
  }));
});
