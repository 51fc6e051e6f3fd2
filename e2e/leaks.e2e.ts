import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { call, transcribed, upload } from './clients/rest.ts';
import { stream, StreamClient } from './clients/stream.ts';
import { joinControl, opusPackets, WebRtcClient } from './clients/webrtc.ts';
import { eventually } from './eventually.ts';
import { TestServer } from './server.ts';
import { convert, synthesize } from './speech.ts';

const SESSIONS = 200;
const AT_A_TIME = 4;
/** With the peers that have vanished and are not missed yet. */
const MOST_AT_A_TIME = 24;
const TEXT = 'the weather is fine today';
/** Where to begin the comparison of memory: by then every code path ran often. */
const WARM_AFTER = 50;
const SAMPLES = 50;
/** Growth over the second half that still counts as flat: heaps breathe, and ended WebRTC sessions are kept for a minute. */
const MAX_GROWTH = 1.2;
/** A peer that vanished is noticed after some 30 s without an answer, waited for another 30, and can then be read for 60 more. */
const FORGOTTEN_TIMEOUT_MS = 240_000;

/** Numbers from 0 to 1, the same in every run (mulberry32). */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

describe('two hundred sessions, half of them broken off', () => {
  let server: TestServer;
  let wav: Buffer;
  let packets: Uint8Array[];
  const random = seededRandom(20_260_728);

  before(async () => {
    const speech = await synthesize(TEXT);
    wav = await readFile(speech);
    packets = opusPackets(await readFile(await convert(speech, 'ogg')));
    // Peers that vanished hold their place until they are missed.
    server = await TestServer.start({ env: { EARSHOT_MAX_LIVE_SESSIONS: String(2 * MOST_AT_A_TIME) } });
  });
  after(() => server.stop());

  /** As many sessions at a time as there will ever be: what the server keeps for the next ones is there from the start. */
  async function fillHouse(): Promise<void> {
    const clients = await Promise.all(Array.from({ length: MOST_AT_A_TIME }, () => StreamClient.connect(server)));
    for (const client of clients) client.send({ type: 'open' });
    for (const client of clients) client.send(wav);
    await Promise.all(clients.map((client) => client.frame('words', (frame) => frame.type === 'delta')));
    for (const client of clients) client.socket.terminate();
    // The first peer brings the media thread and the UDP port that all later ones share.
    const peer = new WebRtcClient();
    const { session_id: id } = await peer.connect(server);
    await call(server, 'DELETE', `webrtc/sessions/${id}`);
    await peer.vanish();
  }

  /** How a session goes; `breakAt` is the part of it after which the client is gone, if it breaks off. */
  const ways: readonly ((breakAt: number | undefined) => Promise<void>)[] = [
    async (breakAt) => {
      if (breakAt === undefined) {
        assert.match((await transcribed(server, wav)).transcript, /weather/);
        return;
      }
      const abort = new AbortController();
      const uploading = upload(server, wav, { signal: abort.signal });
      uploading.catch(() => undefined);
      await pause(breakAt * 400);
      abort.abort();
    },
    async (breakAt) => {
      if (breakAt === undefined) {
        assert.match((await stream(server, wav)).text, /weather/);
        return;
      }
      const client = await StreamClient.connect(server);
      client.send({ type: 'open' });
      await client.sendAudio(wav.subarray(0, breakAt * wav.length), { chunkBytes: 3200, bytesPerSecond: 128_000 });
      client.socket.terminate();
    },
    async (breakAt) => {
      const client = new WebRtcClient();
      const { session_id: id } = await client.connect(server);
      const control = await joinControl(server, id);
      await client.send(packets.slice(0, (breakAt ?? 1) * packets.length));
      if (breakAt === undefined) {
        control.send({ type: 'close' });
        assert.equal(await control.closeCode(), 1000);
        assert.match(control.text, /weather/);
      } else if (breakAt < 0.5) {
        // The tab is closed: its last words reach the server.
        await call(server, 'DELETE', `webrtc/sessions/${id}`);
      }
      control.socket.terminate();
      await client.vanish();
    },
  ];

  it('give back every session, peer, socket, place, process and file descriptor, and memory stays flat', async () => {
    await fillHouse();
    await server.idle();
    const descriptorsBefore = server.process.openFiles;
    const resident: number[] = [];
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < SESSIONS) {
        const index = next;
        next += 1;
        const breakAt = index % 2 === 1 ? random() : undefined;
        await ways[index % ways.length]!(breakAt);
        resident.push(await server.metric('earshot_process_resident_bytes'));
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, work));

    const early = median(resident.slice(WARM_AFTER, WARM_AFTER + SAMPLES));
    const late = median(resident.slice(-SAMPLES));
    assert.ok(late < early * MAX_GROWTH, `resident memory grew from ${early} to ${late} bytes`);

    await server.idle(FORGOTTEN_TIMEOUT_MS);
    await eventually('ended WebRTC sessions are forgotten', async () => (await server.metric('earshot_webrtc_sessions')) === 0, {
      timeoutMs: FORGOTTEN_TIMEOUT_MS,
    });
    let descriptors = 0;
    await eventually('files and sockets are closed', () => (descriptors = server.process.openFiles) <= descriptorsBefore, {
      seen: () => ({ descriptorsBefore, descriptors }),
    });
    assert.deepEqual(server.errorLog, []);
    assert.equal(await server.metric('earshot_recognizer_restarts_total'), 0);
  });
});
