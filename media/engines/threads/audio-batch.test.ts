import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { LaneAudio } from '../../../src/core/audio.ts';
import { AudioBatchWriter, readAudioBatch } from './audio-batch.ts';

test('what goes into batches comes out of them, in order', () => {
  const item: fc.Arbitrary<LaneAudio> = fc.oneof(
    fc.record({ kind: fc.constant('pcm' as const), startSample: fc.nat(2 ** 40), samples: fc.int16Array({ maxLength: 40 }) }, { noNullPrototype: true }),
    fc.record({ kind: fc.constant('gap' as const), startSample: fc.nat(2 ** 40), lengthSamples: fc.nat(2 ** 33), cause: fc.constantFrom('loss' as const, 'dtx' as const, 'mute' as const, 'overflow' as const) }, { noNullPrototype: true }),
  );
  fc.assert(
    fc.property(fc.array(fc.array(fc.tuple(fc.nat(1000), item))), (batches) => {
      const writer = new AudioBatchWriter();
      for (const items of batches) {
        for (const [track, each] of items) writer.add(track, each);
        assert.equal(writer.isEmpty, items.length === 0);
        const read: [number, LaneAudio][] = [];
        readAudioBatch(writer.take(), (track, each) => read.push([track, each]));
        assert.deepEqual(read, items);
      }
    }),
  );
});
