import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import dnsPromises from 'node:dns/promises';
import { once } from 'node:events';
import test from 'node:test';
import { UdpTransport } from 'werift';
import type { StunProtocol } from 'werift';
import type { AudioSource, LaneAudio } from '../../src/core/audio.ts';
import type { MediaEngine, Peer, PeerHandlers, RemoteTrack } from '../../src/core/media-engine.ts';
import { mediaEngineChecks, mediaEngineConformance } from './conformance.ts';
import type { EngineSettings } from './testing/check.ts';
import { Observed, within } from './testing/observed.ts';
import { RtcClient } from './testing/rtc-client.ts';
import { assertTones, hear, render, tones, tonesSamples } from './testing/tones.ts';
import { createWeriftEngine } from './werift.ts';

const HANDLERS: PeerHandlers = { track: () => undefined, state: () => undefined };

mediaEngineConformance('werift', createWeriftEngine);

/** The real engine with one fault. */
interface Fault {
  /** The check that must see it. */
  readonly caughtBy: RegExp;
  readonly settings?: Partial<EngineSettings>;
  readonly handlers?: (handlers: PeerHandlers) => PeerHandlers;
  readonly peer?: (peer: Peer) => Peer;
}

const sourceOf = (source: AudioSource, change: (item: LaneAudio) => LaneAudio): AudioSource => ({
  close: () => source.close(),
  async *[Symbol.asyncIterator]() {
    for await (const item of source) yield change(item);
  },
});

const withSource = (track: RemoteTrack, change: (item: LaneAudio) => LaneAudio): RemoteTrack => ({
  ...track,
  source: sourceOf(track.source, change),
});

const FAULTS: Readonly<Record<string, Fault>> = {
  'audio that starts later than sample 0': {
    caughtBy: /a published track arrives/,
    handlers: (handlers) => ({
      ...handlers,
      track: (track) => handlers.track(withSource(track, (item) => ({ ...item, startSample: item.startSample + 320 }))),
    }),
  },
  'silence instead of audio': {
    caughtBy: /a published track arrives/,
    handlers: (handlers) => ({
      ...handlers,
      track: (track) =>
        handlers.track(
          withSource(track, (item) => (item.kind === 'pcm' ? { ...item, samples: new Int16Array(item.samples.length) } : item)),
        ),
    }),
  },
  'a track told twice': {
    caughtBy: /a published track arrives/,
    handlers: (handlers) => ({
      ...handlers,
      track: (track) => {
        handlers.track(track);
        handlers.track(track);
      },
    }),
  },
  'an answer without FEC': {
    caughtBy: /the answer only receives/,
    peer: (peer) => ({
      ...delegate(peer),
      answer: async (offer) => (await peer.answer(offer)).replaceAll('useinbandfec=1', 'useinbandfec=0'),
    }),
  },
  'candidates that throw': {
    caughtBy: /candidates trickle in/,
    peer: (peer) => ({
      ...delegate(peer),
      addCandidate: (candidate) =>
        candidate?.candidate.includes('.local') ? Promise.reject(new Error('no such host')) : peer.addCandidate(candidate),
    }),
  },
  'closed told twice': {
    caughtBy: /close tells the client/,
    handlers: (handlers) => ({
      ...handlers,
      state: (state) => {
        handlers.state(state);
        if (state === 'closed') handlers.state(state);
      },
    }),
  },
  'garbage accepted': {
    caughtBy: /what is no offer of audio is refused/,
    peer: (peer) => ({ ...delegate(peer), answer: (offer) => peer.answer(offer).catch(() => 'v=0') }),
  },
  'no limit to its peers': { caughtBy: /no more peers than allowed/, settings: { maxPeers: 1000 } },
};

const delegate = (peer: Peer): Peer => ({
  answer: (offer) => peer.answer(offer),
  addCandidate: (candidate) => peer.addCandidate(candidate),
  close: () => peer.close(),
});

function faultyEngine(settings: EngineSettings, fault: Fault): MediaEngine {
  const engine = createWeriftEngine({ ...settings, ...fault.settings });
  return {
    id: 'faulty',
    iceServers: [],
    get peerCount() {
      return engine.peerCount;
    },
    createPeer: (handlers) => {
      const peer = engine.createPeer(fault.handlers?.(handlers) ?? handlers);
      return fault.peer?.(peer) ?? peer;
    },
    close: () => engine.close(),
  };
}

for (const [name, fault] of Object.entries(FAULTS)) {
  test(`the suite rejects an engine with ${name}`, async () => {
    const check = mediaEngineChecks.find((candidate) => fault.caughtBy.test(candidate.name)) ?? assert.fail();
    await assert.rejects(check.run((settings) => faultyEngine(settings, fault)));
  });
}

test('no STUN server is looked up when none is configured', async (context) => {
  const lookup = context.mock.method(dnsPromises, 'lookup', () => Promise.reject(new Error('not in a test')));
  const client = new RtcClient();
  client.addTrack();
  const engine = createWeriftEngine();
  await engine.createPeer(HANDLERS).answer(await client.offer());
  await Promise.all([engine.close(), client.close()]);
  assert.deepEqual(lookup.mock.calls.map((call) => call.arguments[0]), []);
});

test('all peers share one port; a taken one is passed by, and none that is free refuses until there is', async () => {
  const taken = createSocket('udp4').bind();
  await once(taken, 'listening');
  const { port } = taken.address();
  const engine = createWeriftEngine({ portRange: [port, port] });
  const client = new RtcClient();
  client.addTrack();
  const offer = await client.offer();
  await assert.rejects(engine.createPeer(HANDLERS).answer(offer), { code: 'CAPACITY_EXCEEDED' });
  const next = createWeriftEngine({ portRange: [port, port + 20] });
  const ports = (answer: string): string[] => [...answer.matchAll(/^a=candidate:\S+ 1 udp \d+ \S+ (\d+) /gm)].map(([, found]) => found ?? '');
  const other = new Set(ports(await next.createPeer(HANDLERS).answer(offer)));
  assert.ok(other.size === 1 && !other.has(String(port)));
  const freed = once(taken, 'close');
  taken.close();
  await freed;
  const answers = await Promise.all([1, 2].map(() => engine.createPeer(HANDLERS).answer(offer)));
  assert.deepEqual(new Set(answers.flatMap(ports)), new Set([String(port)]));
  await Promise.all([engine.close(), next.close(), client.close()]);
});

/** The client's network changes: what it sends comes from other ports from now on, after its ICE has been restarted. */
async function moveAndRestart(client: RtcClient, peer: Peer): Promise<void> {
  const { iceTransport } = client.connection.dtlsTransports[0] ?? assert.fail();
  const { protocols } = iceTransport.connection as unknown as { readonly protocols: readonly StunProtocol[] };
  for (const protocol of protocols) {
    const before = protocol.transport;
    protocol.transport = await UdpTransport.init('udp4');
    protocol.transport.onData = before.onData;
    if (protocol.localCandidate) protocol.localCandidate.port = protocol.transport.port;
    await before.close();
  }
  client.connection.restartIce();
  await client.accept(await peer.answer(await client.offer(false)));
  // werift does not do so by itself once DTLS is connected.
  await iceTransport.start();
}

test('after a restart of ICE audio comes from where the client has gone', async () => {
  const engine = createWeriftEngine();
  const client = new RtcClient();
  client.addTrack();
  const observed = new Observed(engine);
  await client.accept(await observed.peer.answer(await client.offer()));
  await within('the client connects', client.connected());
  client.send(0, tones([440]));
  const track = await observed.track(0);
  assertTones(render(await hear(track, tonesSamples(1))), [440]);
  await within('ICE is restarted', moveAndRestart(client, observed.peer));
  client.send(0, tones([880]), 20);
  while (track.stats().packetsReceived < 40) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(observed.states, ['connecting', 'connected']);
  await Promise.all([engine.close(), client.close()]);
});

test('a closed engine makes no peers', async () => {
  const engine = createWeriftEngine();
  await engine.close();
  assert.throws(() => engine.createPeer(HANDLERS), { code: 'SERVER_STOPPING' });
});

test('a handler that throws is reported and breaks nothing', async () => {
  const warnings: string[] = [];
  const engine = createWeriftEngine({ onWarning: (message) => warnings.push(message) });
  const peer = engine.createPeer({
    track: () => undefined,
    state: () => {
      throw new Error('not mine');
    },
  });
  await peer.close();
  assert.equal(warnings.length, 1);
  assert.equal(engine.peerCount, 0);
});
