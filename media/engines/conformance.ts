import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualClock } from '../../src/core/clock.ts';
import { attackChecks } from './testing/attack-checks.ts';
import { changeChecks } from './testing/change-checks.ts';
import { type ConformanceCheck, connect, type MakeEngine, mids, publishesTones, sections, using } from './testing/check.ts';
import { limitChecks } from './testing/limit-checks.ts';
import { eventually, Observed, rejectsWith, within } from './testing/observed.ts';
import { assertTones, hear, render, tones, tonesSamples } from './testing/tones.ts';

/** What every engine must do, whatever it is made of. Each check runs by itself and takes no longer than it must. */
export const mediaEngineChecks: readonly ConformanceCheck[] = [
  ...attackChecks,
  ...changeChecks,
  ...limitChecks,
  {
    name: 'a published track arrives: the audio that was sent, where it was sent',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, client) => {
        const observed = await publishesTones(engine, client(), [440, 880]);
        const track = await observed.track(0);
        assert.equal(observed.tracks.length, 1);
        assert.deepEqual(observed.states, ['connecting', 'connected']);
        assert.equal(engine.peerCount, 1);
        // An engine in another thread tells a moment later.
        await eventually('all packets are counted', () => track.stats().packetsReceived >= 40);
        const { packetsReceived, packetsLost } = track.stats();
        assert.deepEqual({ packetsReceived, packetsLost }, { packetsReceived: 40, packetsLost: 0 });
      }),
  },
  {
    name: 'the answer only receives, wants wideband Opus with FEC, keeps the mids and brings its candidates along',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, newClient) => {
        const client = newClient();
        client.addTrack();
        client.addTrack();
        const offer = await client.offer();
        const answer = await within('an answer', new Observed(engine).peer.answer(offer));
        assert.deepEqual(mids(answer), mids(offer));
        for (const section of sections(answer)) {
          assert.match(section, /^a=recvonly\r$/m);
          assert.match(section, /^a=rtpmap:111 opus\/48000\/2\r$/im);
          assert.match(section, /^a=fmtp:111 .*maxplaybackrate=16000;maxaveragebitrate=32000;useinbandfec=1/m);
          assert.match(section, /^a=setup:(?:active|passive)\r$/m);
        }
        assert.match(answer, /^a=candidate:/m);
        assert.doesNotMatch(answer, /usedtx=1/, 'not asked for');
        const dtx = offer.replaceAll('useinbandfec=1', 'useinbandfec=1;usedtx=1');
        assert.match(await within('an answer', new Observed(engine).peer.answer(dtx)), /usedtx=1/);
      }),
  },
  {
    name: 'senders are asked for redundant audio and for lost packets, unless they are not to be',
    run: async (makeEngine) => {
      for (const [recovery, red, nack] of [[undefined, true, true], [{ red: false }, false, true], [{ red: false, nack: false }, false, false]] as const) {
        await using(makeEngine, recovery ? { recovery } : {}, async (engine, newClient) => {
          const client = newClient();
          client.addTrack();
          const offer = (await client.offer()).replace(/^(m=audio \d+ \S+ 111.*)\r\n/m, '$1 63\r\n').replace(/^(a=rtpmap:111 .*)\r\n/m, '$1\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n');
          const answer = await within('an answer', new Observed(engine).peer.answer(offer));
          assert.equal(/^m=audio \d+ \S+ 63 /m.test(answer), red, answer);
          assert.equal(/^a=rtcp-fb:111 nack\r$/m.test(answer), nack);
        });
      }
    },
  },
  {
    name: 'packets find their track without a=ssrc, by the MID extension',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, newClient) => {
        const client = newClient({ announceSsrcs: false });
        const observed = new Observed(engine);
        client.addTrack();
        client.addTrack();
        const answer = await connect(observed, client);
        client.send(1, tones([880]));
        client.send(0, tones([440]));
        const [first, second] = [await observed.track(0), await observed.track(1)];
        assert.deepEqual([first.label, second.label], mids(answer), 'in the order of the sections');
        const samples = tonesSamples(1);
        assertTones(render(await hear(first, samples)), [440]);
        assertTones(render(await hear(second, samples)), [880]);
      }),
  },
  {
    name: 'packets find their track without a=ssrc and without the MID extension when there is only one',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, client) => {
        await publishesTones(engine, client({ announceSsrcs: false, sendMid: false }), [440]);
      }),
  },
  {
    name: 'an offer with video and a data channel is answered whole, and its audio arrives',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, newClient) => {
        const client = newClient({ alsoVideoAndData: true });
        client.addTrack();
        const observed = new Observed(engine);
        const offer = await client.offer();
        const answer = await within('an answer', observed.peer.answer(offer));
        assert.deepEqual(mids(answer), mids(offer));
        const video = sections(answer).find((section) => section.startsWith('m=video')) ?? assert.fail();
        assert.ok(video.startsWith('m=video 0 ') || /^a=inactive\r$/m.test(video), 'no video is taken');
        await client.accept(answer);
        await within('the client connects', client.connected());
        client.send(0, tones([440]));
        const items = await hear(await observed.track(0), tonesSamples(1));
        assertTones(render(items), [440]);
        assert.equal(observed.tracks.length, 1);
      }),
  },
  {
    name: 'candidates trickle in: useless ones are ignored, malformed ones refused',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, newClient) => {
        const client = newClient();
        client.addTrack();
        const observed = new Observed(engine);
        const { peer } = observed;
        const useful = { candidate: 'candidate:1 1 udp 2130706431 127.0.0.1 9 typ host', sdpMid: '0' };
        await rejectsWith('SESSION_CONFLICT', peer.addCandidate(useful));
        const offer = await client.offer(false);
        await client.accept(await within('an answer', peer.answer(offer)));
        const sdpMid = mids(offer)[0] ?? '';
        const add = (candidate: string): Promise<void> => within('addCandidate', peer.addCandidate({ candidate, sdpMid }));
        await add('candidate:1 1 udp 2113937151 0a1b2c3d-0000-4000-8000-000000000000.local 50000 typ host generation 0');
        await add('candidate:2 1 tcp 1518280447 127.0.0.1 9 typ host tcptype active');
        await rejectsWith('ICE_CANDIDATE_INVALID', add('candidate:nonsense'));
        await rejectsWith('ICE_CANDIDATE_INVALID', peer.addCandidate({ ...useful, sdpMid: 'nobody' }));
        await Promise.all(client.candidates.map((candidate) => peer.addCandidate(candidate)));
        await add('');
        await within('the end of candidates', peer.addCandidate(null));
        await within('the client connects', client.connected());
        await observed.reached('connected');
      }),
  },
  {
    name: 'a client of which no candidate is usable connects by its checks',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, newClient) => {
        const client = newClient();
        client.addTrack();
        const observed = new Observed(engine);
        const offer = (await client.offer()).replaceAll(/^a=candidate:.*\r\n/gm, '');
        await client.accept(await within('an answer', observed.peer.answer(offer)));
        await within('the end of candidates', observed.peer.addCandidate(null));
        await observed.reached('connected');
      }),
  },
  {
    name: 'two peers at once do not hear each other',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, client) => {
        await Promise.all([
          publishesTones(engine, client(), [440, 660]),
          publishesTones(engine, client({ announceSsrcs: false }), [880, 330]),
        ]);
        assert.equal(engine.peerCount, 2);
      }),
  },
  {
    name: 'a later offer adds a track, and the first goes on',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, newClient) => {
        const client = newClient();
        const observed = new Observed(engine);
        client.addTrack();
        await connect(observed, client);
        client.send(0, tones([440]));
        client.addTrack();
        await client.accept(await within('a second answer', observed.peer.answer(await client.offer())));
        client.send(0, tones([880]), tones([440]).length / 960);
        client.send(1, tones([660]));
        const samples = tonesSamples(1);
        assertTones(render(await hear(await observed.track(0), 2 * samples)), [440, 880]);
        assertTones(render(await hear(await observed.track(1), samples)), [660]);
        assert.equal(observed.tracks.length, 2);
        assert.deepEqual(observed.states, ['connecting', 'connected']);
      }),
  },
  {
    name: 'what is no offer of audio is refused, and the peer can still be used',
    run: (makeEngine) =>
      using(makeEngine, { maxTracksPerPeer: 2 }, async (engine, newClient) => {
        const client = newClient();
        const observed = new Observed(engine);
        const { peer } = observed;
        client.addTrack();
        const offer = await client.offer();
        const answer = await within('an answer', new Observed(engine).peer.answer(offer));
        for (const garbage of ['', 'hello', '{"type":"offer"}', 'v=0\r\nm=audio', offer.replace('m=audio', 'm=smell'), answer]) {
          await rejectsWith('SDP_INVALID', peer.answer(garbage));
        }
        await rejectsWith('SDP_INVALID', peer.answer(offer.replaceAll(/^a=ice-ufrag.*\r\n/gm, '')));
        await rejectsWith('SDP_NO_AUDIO', peer.answer(offer.replaceAll('a=sendonly', 'a=recvonly')));
        await rejectsWith('SDP_NO_AUDIO', peer.answer(offer.replaceAll(/ opus\//gi, ' speex/')));
        await rejectsWith('SDP_NO_AUDIO', peer.answer(offer.slice(0, offer.indexOf('m=audio'))));
        await rejectsWith('MESSAGE_TOO_LARGE', peer.answer(offer + 'a=x\r\n'.repeat(20_000)));
        const crowded = newClient();
        for (let i = 0; i < 3; i += 1) crowded.addTrack();
        await rejectsWith('SDP_INVALID', peer.answer(await crowded.offer()));
        assert.deepEqual(observed.tracks, []);
        await connect(observed, client);
        await rejectsWith('SDP_INVALID', peer.answer('hello'));
        client.send(0, tones([440]));
        assertTones(render(await hear(await observed.track(0), tonesSamples(1))), [440]);
      }),
  },
  {
    name: 'close tells the client, ends the tracks after what was received; closed comes last and once',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, newClient) => {
        const client = newClient();
        const observed = new Observed(engine);
        client.addTrack();
        await connect(observed, client);
        client.send(0, tones([440]));
        const track = await observed.track(0);
        const iterator = track.source[Symbol.asyncIterator]();
        assert.equal((await within('audio', iterator.next())).done, false);
        const told = within('the client is told', client.told());
        await within('close', Promise.all([observed.peer.close(), observed.peer.close()]));
        await told;
        const rest = await within('the end of the track', Array.fromAsync({ [Symbol.asyncIterator]: () => iterator }));
        assert.ok(rest.every((item, i) => i === 0 || item.startSample > (rest[i - 1]?.startSample ?? 0)));
        assert.equal(engine.peerCount, 0);
        await rejectsWith('SESSION_CONFLICT', observed.peer.answer(await client.offer()));
        await rejectsWith('SESSION_CONFLICT', observed.peer.addCandidate(null));
        assert.deepEqual(observed.states, ['connecting', 'connected', 'closed']);
      }),
  },
  {
    name: 'a peer can be closed at any moment of its beginning',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, newClient) => {
        const steps: readonly (readonly [turns: number, microtasks: number])[] = [
          ...Array.from({ length: 20 }, (_, i) => [0, i * 5] as const),
          ...[1, 2, 3, 5, 20].map((turns) => [turns, 0] as const),
        ];
        for (const [turns, microtasks] of steps) {
          const client = newClient();
          client.addTrack();
          const offer = await client.offer();
          const observed = new Observed(engine);
          const answering = observed.peer.answer(offer).catch((error: unknown) => error);
          for (let microtask = 0; microtask < microtasks; microtask += 1) await Promise.resolve();
          for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
          await within('close', observed.peer.close());
          await within('the answer settles', answering);
          assert.equal(observed.states.filter((state) => state === 'closed').length, 1);
          assert.equal(observed.states.at(-1), 'closed');
        }
      }),
  },
  {
    name: 'a client that leaves ends the tracks and closes the peer',
    run: (makeEngine) =>
      using(makeEngine, {}, async (engine, newClient) => {
        const client = newClient();
        const observed = await publishesTones(engine, client, [440]);
        await client.close();
        await observed.reached('closed');
        const { source } = await observed.track(0);
        await within('the end of the track', Array.fromAsync(source));
        await within('close', observed.peer.close());
        assert.deepEqual(observed.states, ['connecting', 'connected', 'closed']);
        assert.equal(engine.peerCount, 0);
      }),
  },
  {
    name: 'a peer that never connects is closed after the idle time, a connected one is not',
    run: async (makeEngine) => {
      const clock = new ManualClock();
      await using(makeEngine, { clock, idlePeerTimeoutMs: 30_000 }, async (engine, newClient) => {
        const [silent, offering, connected] = [new Observed(engine), new Observed(engine), new Observed(engine)];
        const client = newClient();
        client.addTrack();
        await within('an answer', offering.peer.answer(await client.offer()));
        const publisher = newClient();
        publisher.addTrack();
        await connect(connected, publisher);
        clock.advance(29_999);
        assert.equal(engine.peerCount, 3);
        clock.advance(1);
        await silent.reached('closed');
        await offering.reached('closed');
        assert.equal(engine.peerCount, 1);
        assert.ok(!connected.states.includes('closed'));
      });
      assert.equal(clock.pendingTimers, 0);
    },
  },
  {
    name: 'no more peers than allowed; a place that is given back can be taken',
    run: (makeEngine) =>
      using(makeEngine, { maxPeers: 2 }, async (engine) => {
        const first = new Observed(engine);
        const second = new Observed(engine);
        assert.throws(() => new Observed(engine), { code: 'CAPACITY_EXCEEDED' });
        await first.peer.close();
        const third = new Observed(engine);
        assert.equal(engine.peerCount, 2);
        await engine.close();
        for (const observed of [first, second, third]) assert.deepEqual(observed.states, ['closed']);
      }),
  },
];

/** Registers the checks as tests for one engine. */
export function mediaEngineConformance(name: string, makeEngine: MakeEngine): void {
  describe(`${name} is a MediaEngine`, () => {
    for (const check of mediaEngineChecks) test(check.name, () => check.run(makeEngine));
  });
}
