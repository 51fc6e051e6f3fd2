import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import type { LaneAudio } from '../../../src/core/audio.ts';
import { type ConformanceCheck, connect, PACKETS, publishesTones, sendGarbage, sendUntilHeard, using } from './check.ts';
import { eventually, Observed, within } from './observed.ts';
import { newCertificate } from './rtc-client.ts';
import { assertTones, hear, render, tones, tonesSamples } from './tones.ts';

/** What an engine must do when something changes under a running connection, or comes beside it. A part of `mediaEngineChecks`. */
export const changeChecks: readonly ConformanceCheck[] = [
  {
    name: 'an ICE restart is answered with new credentials of the same DTLS session, and ends no track',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, newClient) => {
        const client = newClient();
        const observed = new Observed(engine);
        client.addTrack();
        const first = await connect(observed, client);
        client.send(0, tones([440]));
        assertTones(render(await hear(await observed.track(0), tonesSamples(1))), [440]);
        client.restartIce();
        const second = await within('an answer to the restart', observed.peer.answer(await client.offer()));
        assert.notEqual(/^a=ice-ufrag:.*$/m.exec(second)?.[0], /^a=ice-ufrag:.*$/m.exec(first)?.[0], 'new credentials');
        assert.equal(/^a=fingerprint:.*$/m.exec(second)?.[0], /^a=fingerprint:.*$/m.exec(first)?.[0], 'the same DTLS session');
        assert.equal(observed.tracks.length, 1);
        assert.deepEqual(observed.states, ['connecting', 'connected'], 'the old path goes on until there is a new one');
      }),
  },
  {
    name: 'a client that comes with a new connection goes on in the same track',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, newClient) => {
        const observed = await publishesTones(engine, newClient(), [440]);
        const again = newClient({ certificate: await newCertificate() });
        again.addTrack();
        await again.accept(await within('an answer to the new connection', observed.peer.answer(await again.offer())));
        await within('the client connects', again.connected());
        await sendUntilHeard(again, await observed.track(0));
        assert.equal(observed.tracks.length, 1);
        assert.ok(!observed.states.includes('closed'));
      }),
  },
  {
    name: 'a sender that goes on under another SSRC is heard in the same track',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, newClient) => {
        const client = newClient();
        const observed = await publishesTones(engine, client, [440]);
        client.changeSsrc(0);
        await sendUntilHeard(client, await observed.track(0), PACKETS);
        assert.equal(observed.tracks.length, 1);
      }),
  },
  {
    name: 'a sender’s reports tell its clock and the round trip',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, newClient) => {
        const client = newClient();
        const observed = await publishesTones(engine, client, [440]);
        client.echoReferenceTimes();
        const track = await observed.track(0);
        let next = PACKETS;
        // Reports are written while packets come.
        const sending = setInterval(() => {
          client.send(0, tones([440]), next);
          next += PACKETS;
        }, 800);
        const isKnown = (): boolean => track.stats().senderReports > 1 && track.stats().roundTripMs !== null;
        await eventually('the round trip is known', isKnown).finally(() => {
          clearInterval(sending);
        });
        const { roundTripMs } = track.stats();
        assert.ok(roundTripMs !== null && roundTripMs < 1000, String(roundTripMs));
        assert.ok(track.source.originMs !== undefined);
      }),
  },
  {
    name: 'time that a sender was silent is a gap: DTX, a mute',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, newClient) => {
        const client = newClient();
        const observed = new Observed(engine);
        client.addTrack();
        await connect(observed, client);
        const unsent = 25;
        client.send(0, tones([440]));
        client.send(0, tones([880]), PACKETS, unsent);
        const items = await hear(await observed.track(0), 2 * tonesSamples(1) + unsent * 320);
        const heard = render(items);
        assertTones(heard.subarray(0, tonesSamples(1)), [440]);
        assertTones(heard.subarray(tonesSamples(1) + unsent * 320), [880]);
        assert.ok(items.some((item) => item.kind === 'gap'), 'nothing is made up for time that was not sent');
      }),
  },
  {
    name: 'silence announced for packets that come late is taken back, where that is asked for',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, newClient) => {
        const client = newClient();
        const observed = await publishesTones(engine, client, [440]);
        const { source } = await observed.track(0);
        source.retract?.();
        await pause(1000);
        client.send(0, tones([880]), PACKETS);
        const takenBack = async (): Promise<LaneAudio> => {
          for await (const item of source) if (item.kind === 'gap' && item.lengthSamples < 0) return item;
          return assert.fail('the track ended');
        };
        await within('silence is taken back', takenBack());
      }),
  },
  {
    name: 'a track that is taken out ends, and can be put in again',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, newClient) => {
        const client = newClient();
        const observed = await publishesTones(engine, client, [440]);
        client.setDirection(0, 'inactive');
        await client.accept(await within('an answer', observed.peer.answer(await client.offer())));
        await within('the end of the track', Array.fromAsync((await observed.track(0)).source));
        client.setDirection(0, 'sendonly');
        await client.accept(await within('an answer', observed.peer.answer(await client.offer())));
        await sendUntilHeard(client, await observed.track(1), PACKETS);
        assert.deepEqual(observed.states, ['connecting', 'connected']);
      }),
  },
  {
    name: 'data channels: text both ways in order, and the end',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, newClient) => {
        const client = newClient();
        const observed = new Observed(engine);
        client.addTrack();
        const channel = client.openChannel('events');
        const received: string[] = [];
        const all = new Promise<void>((resolve) => {
          channel.onMessage.subscribe((data) => {
            received.push(data.toString());
            if (received.length === 3) resolve();
          });
        });
        await connect(observed, client);
        const remote = await observed.channel('events');
        const heard: string[] = [];
        const twoHeard = Promise.withResolvers<void>();
        const ended = Promise.withResolvers<void>();
        remote.listen({
          message: (data) => {
            heard.push(data.toString());
            if (heard.length === 2) twoHeard.resolve();
          },
          closed: ended.resolve,
        });
        channel.send('one');
        channel.send('two');
        await within('messages of the client', twoHeard.promise);
        for (const text of ['a', 'ä'.repeat(20_000), 'c']) await within('send', remote.send(text));
        await within('messages to the client', all);
        assert.deepEqual(heard, ['one', 'two']);
        assert.deepEqual(received, ['a', 'ä'.repeat(20_000), 'c']);
        await observed.peer.close();
        await within('the end of the channel', ended.promise);
      }),
  },
  {
    name: 'eight clients at once are heard each by itself',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, client) => {
        await Promise.all(Array.from({ length: 8 }, (_, i) => publishesTones(engine, client(), [300 + 100 * i])));
        assert.equal(engine.peerCount, 8);
      }),
  },
  {
    name: 'garbage on the port disturbs nobody',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, newClient) => {
        const client = newClient();
        const observed = new Observed(engine);
        client.addTrack();
        const answer = await connect(observed, client);
        const port = Number(/^a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+) /im.exec(answer)?.[1] ?? assert.fail('no candidate on the loopback'));
        await sendGarbage(port);
        client.send(0, tones([440]));
        assertTones(render(await hear(await observed.track(0), tonesSamples(1))), [440]);
      }),
  },
];
