import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Transcript, confidenceBand, wordsText, type TranscriptChange } from './transcript.ts';
import { parseFrame, type Delta } from '../../client/frames.ts';

function delta(fields: Readonly<Record<string, unknown>>): Delta {
  const frame = parseFrame(JSON.stringify({ type: 'delta', segment_id: 'L0-U1', text: '', is_final: false, ...fields }));
  assert.equal(frame?.type, 'delta');
  return frame;
}

function watched(): { transcript: Transcript; changes: TranscriptChange[] } {
  const transcript = new Transcript();
  const changes: TranscriptChange[] = [];
  transcript.onChange((change) => changes.push(change));
  transcript.beginStream(0);
  return { transcript, changes };
}

test('a delta replaces the earlier text of its segment, and a final settles it', () => {
  const { transcript, changes } = watched();
  transcript.apply(delta({ seq: 1, text: 'hello' }));
  transcript.apply(delta({ seq: 2, text: 'hello world', is_final: true }));
  transcript.apply(delta({ seq: 3, text: 'something else' }));
  assert.deepEqual(transcript.finals.map((each) => wordsText(each.words)), ['hello world']);
  assert.equal(changes.length, 2);
});

test('a resumed socket that repeats deltas changes nothing', () => {
  const { transcript, changes } = watched();
  transcript.apply(delta({ seq: 5, text: 'one two' }));
  transcript.apply(delta({ seq: 4, text: 'one' }));
  transcript.apply(delta({ seq: 5, text: 'one two' }));
  assert.equal(changes.length, 1);
});

test('a new stream drops what was unsettled, keeps finals and shifts times; its ids and numbers do not collide', () => {
  const { transcript, changes } = watched();
  transcript.apply(delta({ seq: 1, text: 'kept', is_final: true, start: 1, end: 2 }));
  transcript.apply(delta({ seq: 9, segment_id: 'L0-U2', text: 'unsettled' }));
  transcript.beginStream(10);
  assert.deepEqual(changes.at(-1), { type: 'dropped', id: '1/L0-U2' });
  transcript.apply(delta({ seq: 1, text: 'again', is_final: true, start: 0.5, end: 1, words: [{ text: 'again', start: 0.5, end: 1 }] }));
  assert.deepEqual(transcript.finals.map((each) => [wordsText(each.words), each.startSeconds, each.endSeconds]), [
    ['kept', 1, 2],
    ['again', 10.5, 11],
  ]);
  assert.equal(transcript.finals[1]?.words[0]?.startSeconds, 10.5);
  assert.equal(transcript.endSeconds, 11);
});

test('finals are told in the order in which they were spoken, over all lanes', () => {
  const { transcript } = watched();
  transcript.apply(delta({ segment_id: 'L1-U1', lane: 1, text: 'second', is_final: true, start: 2, end: 3 }));
  transcript.apply(delta({ segment_id: 'L0-U1', lane: 0, text: 'first', is_final: true, start: 1, end: 4 }));
  assert.deepEqual(transcript.finals.map((each) => wordsText(each.words)), ['first', 'second']);
});

test('an utterance that became empty disappears', () => {
  const { transcript, changes } = watched();
  transcript.apply(delta({ seq: 1, text: 'uh' }));
  transcript.apply(delta({ seq: 2, text: '', is_final: true }));
  assert.deepEqual(changes.at(-1), { type: 'dropped', id: '1/L0-U1' });
  assert.deepEqual(transcript.finals, []);
});

test('clearing in the middle of an utterance lets it go on', () => {
  const { transcript } = watched();
  transcript.apply(delta({ seq: 1, text: 'half' }));
  transcript.clear();
  transcript.apply(delta({ seq: 2, text: 'half a sentence', is_final: true }));
  assert.equal(transcript.finals.length, 1);
});

test('confidence falls into three bands', () => {
  assert.deepEqual([1, 0.75, 0.74, 0.5, 0.49, 0].map(confidenceBand), ['high', 'high', 'medium', 'medium', 'low', 'low']);
});
