import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { launchBrowser } from './clients/browser.ts';
import { readEvents } from './clients/viewers.ts';
import type { Frame } from './clients/wire.ts';
import { eventually } from './eventually.ts';
import { API, TestServer } from './server.ts';
import { synthesize, withSilence } from './speech.ts';
import { MAX_WORD_ERROR_RATE, SENTENCES, STORY, tellStory } from './spoken.ts';
import { wordErrors } from './wer.ts';

const LEAD_MS = 2500;
const TAIL_MS = 4000;

/** A publisher in the page: WHIP by fetch, as a client library does it. `restart` is null until ICE has been restarted. */
const PUBLISHER = `
  let pc, location_, etag, answer;
  const fragment = (sdp, candidates) => ['ice-ufrag', 'ice-pwd'].map((name) => sdp.match(new RegExp('^a=' + name + ':.*$', 'm'))[0].trim())
    .concat('m=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=mid:0', candidates.map((each) => 'a=' + each), 'a=end-of-candidates', '').flat().join('\\r\\n');
  const patch = (body, ifMatch) => fetch(location_, { method: 'PATCH', headers: { 'content-type': 'application/trickle-ice-sdpfrag', 'if-match': ifMatch }, body });
  async function gathered(begin) {
    const candidates = [];
    const done = new Promise((resolve) => { pc.onicecandidate = ({ candidate }) => candidate?.candidate ? candidates.push(candidate.candidate) : candidate === null && resolve(); });
    await begin();
    await done;
    return candidates;
  }
  globalThis.publish = async (url, withVideo) => {
    pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    pc.addTransceiver(stream.getAudioTracks()[0], { direction: 'sendonly', streams: [stream] });
    if (withVideo) {
      const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 64 });
      canvas.getContext('2d').fillRect(0, 0, 64, 64);
      pc.addTransceiver(canvas.captureStream(2).getVideoTracks()[0], { direction: 'sendonly', streams: [stream] });
    }
    const offer = await pc.createOffer();
    const gathering = gathered(() => pc.setLocalDescription(offer));
    const created = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: offer.sdp });
    answer = await created.text();
    location_ = new URL(created.headers.get('location'), url).href;
    etag = created.headers.get('etag');
    await pc.setRemoteDescription({ type: 'answer', sdp: answer });
    const trickled = await patch(fragment(offer.sdp, await gathering), etag);
    return { status: created.status, link: created.headers.get('link'), trickled: trickled.status };
  };
  globalThis.connection = () => pc.connectionState;
  globalThis.stopped = () => pc.getTransceivers().filter(({ currentDirection }) => currentDirection !== 'sendonly').length;
  globalThis.restartIce = async () => {
    const offer = await pc.createOffer({ iceRestart: true });
    const candidates = await gathered(() => pc.setLocalDescription(offer));
    const restarted = await patch(fragment(offer.sdp, candidates), '"*"');
    const mine = await restarted.text();
    if (restarted.status !== 200) return { status: restarted.status, body: mine };
    const line = (name) => mine.match(new RegExp('^a=' + name + ':.*$', 'm'))[0].trim();
    const next = answer.replace(/^a=candidate:.*\\r\\n|^a=end-of-candidates\\r\\n/gm, '')
      .replace(/^a=ice-ufrag:.*$/gm, line('ice-ufrag')).replace(/^a=ice-pwd:.*$/gm, line('ice-pwd'));
    await pc.setRemoteDescription({ type: 'answer', sdp: next });
    for (const each of mine.match(/^a=candidate:.*$/gm)) await pc.addIceCandidate({ candidate: each.trim().slice(2), sdpMid: '0' });
    const changed = restarted.headers.get('etag') !== etag;
    etag = restarted.headers.get('etag');
    return { status: restarted.status, changed };
  };
  globalThis.pair = async () => {
    for (const each of (await pc.getStats()).values()) if (each.type === 'transport') return each.iceLocalUsernameFragment + ' ' + each.iceState;
  };
  globalThis.leave = async () => (await fetch(location_, { method: 'DELETE' })).status;
`;

describe('WHIP from a real browser', () => {
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

  async function publisher(recording: string): Promise<Page> {
    const browser = await launchBrowser(await withSilence(recording, LEAD_MS, TAIL_MS));
    browsers.push(browser);
    const page = await (await browser.newContext({ permissions: ['microphone'] })).newPage();
    await page.addInitScript(PUBLISHER);
    await page.goto(server.url);
    return page;
  }
  const run = <T>(page: Page, code: string): Promise<T> => page.evaluate<T>(code);
  const publish = (page: Page, name: string, withVideo: boolean) =>
    run<{ status: number; link: string; trickled: number }>(page, `publish(location.origin + '/whip/room?name=${name}', ${String(withVideo)})`);

  it('two in a room are heard under their names, one through a restart of ICE; others read along', async () => {
    const alice = await publisher(await tellStory());
    const bob = await publisher(await synthesize(SENTENCES.brother, 'rms'));
    const created = await publish(alice, 'Alice', true);
    assert.deepEqual([created.status, created.trickled], [201, 204]);
    const sessionId = /sessions\/(ses_[\w-]+)\/events/.exec(created.link)?.[1] ?? '';
    const viewer = `${server.url}${API}/sessions/${sessionId}`;
    const frames: Frame[] = [];
    const reading = readEvents(`${viewer}/events`, (frame) => frames.push(frame));
    const captions = fetch(`${viewer}/captions.vtt`).then((response) => response.text());
    const said = (name: string): string => frames.flatMap((frame) => (frame.type === 'delta' && frame.is_final && (frame as { speaker?: string }).speaker === name ? [frame.text] : [])).join(' ');
    await eventually('Alice is connected', async () => (await run<string>(alice, 'connection()')) === 'connected');
    assert.equal(await run<number>(alice, 'stopped()'), 0, 'video is accepted');
    assert.equal((await publish(bob, 'Bob', false)).status, 201);
    await eventually('Alice is heard', () => said('Alice') !== '', { timeoutMs: 60_000, seen: () => frames.length });
    const before = await run<string>(alice, 'pair()');
    assert.deepEqual(await run(alice, 'restartIce()'), { status: 200, changed: true });
    await eventually('ICE goes on with new credentials', async () => {
      const now = await run<string>(alice, 'pair()');
      return now !== before && / (connected|completed)$/.test(now);
    });
    const isHeard = (text: string, name: string): boolean => wordErrors(text, said(name)).rate <= MAX_WORD_ERROR_RATE;
    await eventually('both are heard', () => isHeard(STORY, 'Alice') && isHeard(SENTENCES.brother, 'Bob'), { timeoutMs: 90_000, seen: () => [said('Alice'), said('Bob')] });
    assert.equal(await run<number>(bob, 'leave()'), 200);
    assert.equal(await run<number>(alice, 'leave()'), 200);
    await reading;
    assert.equal(frames.at(-1)?.type, 'closed');
    const vtt = await captions;
    assert.match(vtt, /^WEBVTT\n/);
    for (const name of ['Alice', 'Bob']) assert.ok(vtt.includes(`<v ${name}>`), vtt);
  });
});
