import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { launchBrowser } from './clients/browser.ts';
import { eventually } from './eventually.ts';
import { API, TestServer } from './server.ts';
import { inSequence, synthesize, withSilence } from './speech.ts';
import { MAX_WORD_ERROR_RATE, SENTENCES } from './spoken.ts';
import { wordErrors } from './wer.ts';

const LEAD_MS = 2500;
/** Long enough for another worker and another connection. */
const PAUSE_MS = 10_000;
const TAIL_MS = 3000;

/** A browser whose network lets no UDP through: it is told of no candidate but those of TCP. */
const PAGE = `
  const frames = [];
  const connections = [];
  let id, track;
  const connect = async () => {
    const pc = new RTCPeerConnection();
    connections.push(pc);
    pc.addTransceiver(track, { direction: 'sendonly' });
    await pc.setLocalDescription();
    return pc;
  };
  const accept = async (pc, sdp) => {
    await pc.setRemoteDescription({ type: 'answer', sdp: sdp.replace(/^a=candidate:\\S+ 1 udp .*\\r\\n/gm, '') });
    await new Promise((resolve) => { const look = () => pc.connectionState === 'connected' && resolve(); pc.onconnectionstatechange = look; look(); });
  };
  const post = async (path, body) => (await fetch('${API}' + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })).json();
  globalThis.begin = async () => {
    [track] = (await navigator.mediaDevices.getUserMedia({ audio: true })).getAudioTracks();
    const pc = await connect();
    const { data } = await post('/webrtc/sessions', { sdp: pc.localDescription.toJSON() });
    id = data.session_id;
    const socket = new WebSocket(data.control_url);
    socket.onmessage = async ({ data }) => {
      const frame = JSON.parse(data);
      frames.push(frame);
      if (frame.type !== 'reconnect') return;
      const next = await connect();
      const answered = await post('/webrtc/sessions/' + id + '/offer', next.localDescription.toJSON());
      await accept(next, answered.data.sdp);
    };
    await accept(pc, data.answer.sdp);
  };
  globalThis.seen = async () => {
    const stats = await connections.at(-1).getStats();
    const transport = [...stats.values()].find(({ type }) => type === 'transport');
    const path = stats.get(stats.get(transport?.selectedCandidatePairId)?.localCandidateId)?.protocol;
    return { frames, path, connections: connections.length };
  };
`;

interface Seen {
  readonly frames: readonly { readonly type: string; readonly seq?: number; readonly lane?: number; readonly text?: string; readonly is_final?: boolean }[];
  readonly path: string | undefined;
  readonly connections: number;
}

describe('a browser behind a network without UDP', () => {
  let server: TestServer;
  let browser: Browser | undefined;
  before(async () => {
    server = await TestServer.start();
  });
  after(async () => {
    await browser?.close();
    await server.idle();
    await server.stop();
  });

  it('is heard by ICE over TCP, and goes on in the same session when the media worker dies', async (context) => {
    const { media_engine: engine } = (await (await fetch(`${server.url}/readyz`)).json()) as { media_engine: string };
    if (engine !== 'mediasoup') {
      context.skip('NOT TESTED: there is no media worker, and werift has no TCP');
      return;
    }
    const parts = [await withSilence(await synthesize(SENTENCES.brother), LEAD_MS, PAUSE_MS), await withSilence(await synthesize(SENTENCES.garden), 0, TAIL_MS)];
    browser = await launchBrowser(await inSequence(...parts));
    const page: Page = await (await browser.newContext({ permissions: ['microphone'] })).newPage();
    await page.addInitScript(PAGE);
    await page.goto(server.url);
    await page.evaluate('begin()');
    const seen = (): Promise<Seen> => page.evaluate<Seen>('seen()');
    const said = ({ frames }: Seen): string => frames.flatMap((frame) => (frame.type === 'delta' && frame.is_final === true ? [frame.text ?? ''] : [])).join(' ');
    const isHeard = (text: string) => async (): Promise<boolean> => wordErrors(text, said(await seen())).rate <= MAX_WORD_ERROR_RATE;
    await eventually('the first sentence is heard', isHeard(SENTENCES.brother), { timeoutMs: 60_000 });
    assert.equal((await seen()).path, 'tcp');
    for (const worker of mediaWorkers(server.pid)) process.kill(worker, 'SIGKILL');
    await eventually('the second sentence is heard', isHeard(`${SENTENCES.brother} ${SENTENCES.garden}`), { timeoutMs: 60_000, seen: async () => said(await seen()) });
    const { frames, path, connections } = await seen();
    assert.deepEqual({ path, connections }, { path: 'tcp', connections: 2 });
    assert.deepEqual(new Set(frames.flatMap(({ lane }) => lane ?? [])), new Set([0]), 'one lane');
    const numbers = frames.flatMap(({ seq }) => seq ?? []);
    assert.deepEqual(numbers, [...new Set(numbers)].sort((one, other) => one - other), 'one numbering');
  });
});

/** Process ids of the workers that a server has. */
function mediaWorkers(serverPid: number): number[] {
  const children = readFileSync(`/proc/${String(serverPid)}/task/${String(serverPid)}/children`, 'utf8').trim().split(' ').map(Number);
  return children.filter((pid) => readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8').includes('mediasoup-worker'));
}
