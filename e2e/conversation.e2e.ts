import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import { Earshot, type Delta } from '../client/index.ts';
import { launchBrowser } from './clients/browser.ts';
import { opusPackets, PACKET_MS, WebRtcClient } from './clients/webrtc.ts';
import { eventually } from './eventually.ts';
import { TestServer } from './server.ts';
import { convertForCall, durationSeconds, inSequence, silence, synthesize, withSilence } from './speech.ts';
import { MAX_WORD_ERROR_RATE, SENTENCES } from './spoken.ts';
import { wordErrors } from './wer.ts';

const LEAD_MS = 6000;
/** The second comes into the room so much later: longer than the pauses, so that a lane that counts from its own beginning is noticed. */
const LATER_MS = 2500;
const PAUSE_MS = 1200;
const FAST_PPM = 200;
const TURNS = [
  ['Alice', SENTENCES.brother],
  ['Bob', SENTENCES.garden],
  ['Alice', SENTENCES.river],
  ['Carol', SENTENCES.train],
] as const;
const SAID = TURNS.map(([, text]) => text).join(' ');

/** Publishes the microphone to a room. */
const PUBLISHER = `
  let stream;
  globalThis.listen = async () => { stream = await navigator.mediaDevices.getUserMedia({ audio: true }); };
  globalThis.publish = async (url) => {
    const pc = globalThis.pc = new RTCPeerConnection();
    pc.addTransceiver(stream.getAudioTracks()[0], { direction: 'sendonly', streams: [stream] });
    await pc.setLocalDescription();
    await new Promise((resolve) => { pc.onicecandidate = ({ candidate }) => candidate === null && resolve(); });
    const created = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: pc.localDescription.sdp });
    globalThis.resource = created.headers.get('location');
    await pc.setRemoteDescription({ type: 'answer', sdp: await created.text() });
    return created.headers.get('link');
  };
  globalThis.leave = () => fetch(resource, { method: 'DELETE' });
`;

/** What one of them says, silent while others speak; all recordings are of the same length. */
async function sideOf(name: string): Promise<string> {
  const parts = TURNS.map(async ([speaker, text]) => {
    const turn = await withSilence(await synthesize(text, speaker === 'Alice' ? 'slt' : 'rms'), 0, PAUSE_MS);
    return speaker === name ? turn : silence(await durationSeconds(turn), 'digital');
  });
  return withSilence(await inSequence(...(await Promise.all(parts))), LEAD_MS, 0);
}

/** A program of Node's whose audio clock is fast: a little more than 50 packets a second, by its own RTP time and reports. It speaks as if it had begun at `startMs`. */
async function speakByFastClock(server: TestServer, name: string, startMs: number): Promise<() => Promise<void>> {
  const client = new WebRtcClient({ clockPpm: FAST_PPM });
  const headers = { authorization: `Bearer ${server.apiKey}`, 'content-type': 'application/sdp' };
  const created = await fetch(`${server.url}/whip/kitchen?name=${name}`, { method: 'POST', headers, body: await client.offer() });
  await client.accept(await created.text());
  const packets = opusPackets(await readFile(await convertForCall(await sideOf(name), 0)));
  const sent = client.send(packets.slice(Math.round((performance.now() - startMs) / PACKET_MS)));
  return async () => {
    await sent;
    await fetch(new URL(created.headers.get('location') ?? '', server.url), { method: 'DELETE', headers });
    await client.vanish();
  };
}

describe('two browsers and a program in one room', () => {
  let server: TestServer;
  const browsers: Browser[] = [];
  before(async () => {
    server = await TestServer.start();
  });
  after(async () => {
    await Promise.all(browsers.map((browser) => browser.close()));
    await server.idle();
    await server.stop();
  });

  it('make one transcript, in the order in which they spoke, by names; the clock of one is fast', async () => {
    const recordings = await Promise.all(['Alice', 'Bob'].map(sideOf));
    const pages = await Promise.all(
      recordings.map(async (recording) => {
        const browser = await launchBrowser(recording);
        browsers.push(browser);
        const page = await (await browser.newContext({ permissions: ['microphone'] })).newPage();
        await page.addInitScript(PUBLISHER);
        await page.goto(server.url);
        return page;
      }),
    );
    // The recordings begin with the microphones, whoever is connected first.
    await Promise.all(pages.map((page) => page.evaluate('listen()')));
    const startMs = performance.now();
    const [alice, bob] = pages as [Page, Page];
    const link = await alice.evaluate<string>("publish('/whip/kitchen?name=Alice')");
    const sessionId = /ses_[\w-]+/.exec(link)?.[0] ?? assert.fail(link);
    await pause(LATER_MS);
    await bob.evaluate("publish('/whip/kitchen?name=Bob')");
    const leaveAsCarol = await speakByFastClock(server, 'Carol', startMs);
    const finals: Delta[] = [];
    const watching = (async () => {
      for await (const frame of new Earshot({ url: server.url, key: server.apiKey }).watch(sessionId)) if (frame.type === 'delta' && frame.isFinal) finals.push(frame);
    })();
    const merged = (): Delta[] => finals.toSorted((one, other) => one.startSeconds - other.startSeconds);
    const text = (): string => merged().map((final) => final.text).join(' ');
    await eventually('all turns are heard, in their order', () => wordErrors(SAID, text()).rate <= MAX_WORD_ERROR_RATE, { timeoutMs: 90_000, seen: text });
    // Browsers answer what the engine asks them about the round trip, and report their clocks.
    const metrics = await server.metrics();
    assert.equal(metrics.get('earshot_media_lanes'), 3);
    assert.ok((metrics.get('earshot_media_round_trip_seconds{quantile="0.5"}') ?? -1) >= 0, 'a round trip is known');
    await Promise.all([leaveAsCarol(), ...pages.map((page) => page.evaluate('leave()'))]);
    await watching;
    assert.deepEqual(merged().map(({ speaker }) => speaker), TURNS.map(([speaker]) => speaker));
    assert.equal(new Set(merged().map(({ lane }) => lane)).size, 3);
    for (const [i, turn] of merged().entries()) assert.ok(turn.startSeconds >= (merged()[i - 1]?.endSeconds ?? 0), `turn ${String(i)} begins when the one before it is over`);
  });
});
