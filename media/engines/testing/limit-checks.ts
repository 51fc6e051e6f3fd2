import assert from 'node:assert/strict';
import { ManualClock } from '../../../src/core/clock.ts';
import { type ConformanceCheck, connect, publishesTones, using } from './check.ts';
import { eventually, Observed, within } from './observed.ts';
import { tones } from './tones.ts';

/** What no client may take more of. A part of `mediaEngineChecks`; those of offers are in `offer.test.ts`. */
export const limitChecks: readonly ConformanceCheck[] = [
  {
    name: 'packets beyond the rate are dropped, and only those of that second',
    run: async (makeEngine) => {
      const clock = new ManualClock();
      const limit = 20;
      await using(makeEngine, { clock, maxPacketsPerSecond: limit }, async (engine, newClient) => {
        const client = newClient();
        const observed = new Observed(engine);
        client.addTrack();
        await connect(observed, client);
        const track = await observed.track(0);
        const received = (): number => track.stats().packetsReceived;
        client.send(0, tones([440, 880, 440]));
        await eventually('as many as are allowed', () => received() === limit);
        // Nothing tells that something does not come: time enough for what is on its way over the loopback.
        await new Promise((resolve) => setTimeout(resolve, 100));
        clock.advance(1000);
        client.send(0, tones([440]), limit * 6);
        await eventually('those of the next second', () => received() >= 2 * limit - 1);
        assert.ok(received() <= 2 * limit, String(received()));
      });
    },
  },
  {
    name: 'a flood of candidates is taken without a fault, and the client connects',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, newClient) => {
        const client = newClient();
        const observed = new Observed(engine);
        client.addTrack();
        const answer = await within('an answer', observed.peer.answer(await client.offer()));
        const flood = Array.from({ length: 500 }, (_, i) => ({ candidate: `candidate:${String(i)} 1 udp 1 127.1.${String(i >> 8)}.${String(i & 255)} 9 typ host`, sdpMid: '0' }));
        await within('candidates', Promise.all(flood.map((candidate) => observed.peer.addCandidate(candidate))));
        await client.accept(answer);
        await observed.reached('connected');
        // Others are served meanwhile.
        await publishesTones(engine, newClient(), [440]);
      }),
  },
];
