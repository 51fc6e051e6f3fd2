import assert from 'node:assert/strict';
import test from 'node:test';
import type { AudioSource } from '../../src/core/audio.ts';
import type { Session } from '../../src/core/session/session.ts';
import { Handover } from './handover.ts';

/** A source that says nothing, and a session that notes what it is to hear. */
const silent = (): AudioSource => ({ queuedEndSample: 0, close: () => undefined, async *[Symbol.asyncIterator]() { /* nothing */ } });
const noting = (labels: string[]): Session => ({ addLane: (_source: AudioSource, label: string) => void labels.push(label) }) as unknown as Session;
const HANDLERS = { lost: () => undefined, holed: () => undefined, found: () => undefined };

test('a track that comes before the first audio of the stream that has the session waits for that to be left', async () => {
  const labels: string[] = [];
  const handover = new Handover(HANDLERS);
  handover.own(() => Promise.resolve());
  await handover.cut();
  handover.own(() => Promise.resolve());
  assert.equal(handover.splice(silent()), undefined, 'the lane is the stream\'s');
  handover.goOn(noting(labels), [silent()]);
  handover.leave(noting(labels), 0);
  assert.deepEqual(labels, ['channel 0']);
});

test('tracks that no stream had a channel for are lanes once it is left', async () => {
  const labels: string[] = [];
  const handover = new Handover(HANDLERS);
  await handover.cut();
  handover.own(() => Promise.resolve());
  handover.splice(silent());
  handover.splice(silent());
  handover.goOn(noting(labels), [silent()]);
  handover.leave(noting(labels), 0);
  assert.deepEqual(labels, ['channel 0', 'track 1']);
  assert.ok(handover.splice(silent()), 'the next is one at once');
});
