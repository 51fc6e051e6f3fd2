import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { Earshot, type Delta } from '../client/index.ts';
import { launchBrowser } from './clients/browser.ts';
import { CuttingProxy } from './cutting-proxy.ts';
import { eventually } from './eventually.ts';
import { TestServer } from './server.ts';
import { inSequence, synthesize, withSilence } from './speech.ts';
import { MAX_WORD_ERROR_RATE, SENTENCES } from './spoken.ts';
import { wordErrors } from './wer.ts';

/** WebRTC has taken over when the second sentence begins. */
const LEAD_MS = 3000;
const PAUSE_MS = 1200;
/** So that there is still something said once another worker has another connection. */
const CRASH_PAUSE_MS = 2500;
const TAIL_MS = 3000;
/** Words of a sentence that must be there before its way is taken away. */
const WORDS_BEFORE = 3;
/** The engine makes none or one mistake in one of these sentences. A second of lost or doubled speech is three words. */
const MAX_EXTRA_OR_MISSING = 1;

/** A network without UDP: packets to the server's port are lost, and TCP goes by way of a proxy that can be cut. */
const networkOf = (proxyUrl: string): string => `
  globalThis.paths = [];
  globalThis.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(configuration) { super(configuration); paths.push(this); }
    setRemoteDescription({ type, sdp }) {
      const blocked = sdp.replace(/^(a=candidate:\\S+ 1 udp \\d+ \\S+) \\d+/gm, '$1 9').replace(/^(a=candidate:\\S+ 1 tcp \\d+) \\S+ \\d+/gm, '$1 127.0.0.1 ${new URL(proxyUrl).port}');
      return super.setRemoteDescription({ type, sdp: blocked });
    }
  };
  globalThis.protocol = async () => {
    const stats = await paths.at(-1).getStats();
    const transport = [...stats.values()].find(({ type }) => type === 'transport');
    return stats.get(stats.get(transport?.selectedCandidatePairId)?.localCandidateId)?.protocol;
  };
`;

/** Notes what the page says of its connection, however shortly. */
const NOTE_CONNECTIONS = `
  globalThis.connections = [];
  addEventListener('DOMContentLoaded', () => {
    const shown = document.querySelector('#connection');
    new MutationObserver(() => {
      if (connections.at(-1) !== shown.innerText) connections.push(shown.innerText);
    }).observe(shown, { childList: true, characterData: true, subtree: true });
  });
`;

/** A TCP port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const wordsOf = (text: string): string[] => text.split(/\s+/).filter(Boolean);

describe('the page behind a network without UDP', () => {
  let server: TestServer;
  let proxy: CuttingProxy | undefined;
  let browser: Browser | undefined;
  before(async () => {
    const mediaPort = await freePort();
    server = await TestServer.start({ env: { EARSHOT_MEDIA_PORT: String(mediaPort) } });
    proxy = await CuttingProxy.start(`http://127.0.0.1:${String(mediaPort)}`);
  });
  after(async () => {
    await browser?.close();
    await proxy?.close();
    await server.idle();
    await server.stop();
  });

  it('speaks by ICE over TCP, answers a dead media worker with a new offer, and goes to the WebSocket when TCP is cut: one session, and no word before, between or after is lost', async (context) => {
    const { media_engine: engine } = (await (await fetch(`${server.url}/readyz`)).json()) as { media_engine: string };
    if (engine !== 'mediasoup') {
      context.skip('NOT TESTED: there is no media worker, and werift has no TCP');
      return;
    }
    const parts = await Promise.all([
      withSilence(await synthesize(SENTENCES.brother), LEAD_MS, PAUSE_MS),
      withSilence(await synthesize(SENTENCES.garden), 0, CRASH_PAUSE_MS),
      withSilence(await synthesize(SENTENCES.river), 0, PAUSE_MS),
      withSilence(await synthesize(SENTENCES.train), 0, TAIL_MS),
    ]);
    browser = await launchBrowser(await inSequence(...parts));
    const page: Page = await (await browser.newContext({ permissions: ['microphone'] })).newPage();
    await page.addInitScript(networkOf(proxy?.url ?? ''));
    await page.addInitScript(NOTE_CONNECTIONS);
    await page.goto(server.url);
    const created = page.waitForResponse((response) => response.url().endsWith('/webrtc/sessions'));
    await page.getByRole('button', { name: 'Start captions' }).click();
    const { data } = (await (await created).json()) as { data: { session_id: string } };
    const deltas: Delta[] = [];
    /** Utterances of which the first words were seen. */
    const begun = new Set<string>();
    const watching = (async () => {
      for await (const frame of new Earshot({ url: server.url, key: server.apiKey }).watch(data.session_id)) {
        if (frame.type !== 'delta') continue;
        deltas.push(frame);
        if (!frame.isFinal && frame.words.length >= WORDS_BEFORE) begun.add(frame.segmentId);
      }
    })();
    watching.catch(() => undefined);
    const finals = (): string[] => deltas.filter(({ isFinal }) => isFinal).map(({ text }) => text);
    const said = (): string => finals().join(' ');
    let connections: string[] = [];
    const look = async (): Promise<string | undefined> => {
      connections = await page.evaluate('connections');
      return connections.at(-1);
    };
    /** So many utterances have their first words. */
    const speaking = (utterances: number) => async (): Promise<boolean> => {
      await look();
      return begun.size >= utterances;
    };
    const seen = (): unknown => [connections, said(), deltas.at(-1)?.text];

    await eventually('the first words of the second sentence, by WebRTC', async () => (await speaking(2)()) && connections.at(-1) === 'WebRTC · connected', { seen });
    const [first = ''] = finals();
    assert.ok(wordErrors(SENTENCES.brother, first).rate <= MAX_WORD_ERROR_RATE, first);
    assert.equal(await page.evaluate('protocol()'), 'tcp');
    for (const worker of mediaWorkers(server.pid)) process.kill(worker, 'SIGKILL');
    await eventually('the page is connected again', async () => (await look()) === 'WebRTC · connected' && connections.includes('Reconnecting'), { seen });

    await eventually('the first words of the third sentence', speaking(3), { seen });
    assert.equal(await page.evaluate('protocol()'), 'tcp');
    await proxy?.close();
    proxy = undefined;
    await eventually('the page goes on by WebSocket', async () => (await look()) === 'WebSocket · connected', { seen });
    const spoken = [SENTENCES.brother, SENTENCES.garden, SENTENCES.river, SENTENCES.train].join(' ');
    const { length } = wordsOf(spoken);
    await eventually('the last sentence is heard', () => wordsOf(said()).length >= length - MAX_EXTRA_OR_MISSING && deltas.at(-1)?.isFinal, { seen });
    await look();
    await page.getByRole('button', { name: 'Stop captions' }).click();
    await watching;
    assert.deepEqual(connections.slice(connections.indexOf('WebRTC · connected')), ['WebRTC · connected', 'Reconnecting', 'WebSocket · connected', 'WebRTC · connected', 'Reconnecting', 'WebSocket · connected']);
    const { deletions, insertions } = wordErrors(spoken, said());
    assert.ok(Math.max(deletions, insertions) <= MAX_EXTRA_OR_MISSING, said());
    assert.deepEqual(new Set(deltas.map(({ lane }) => lane)), new Set([0]), 'one lane');
    const numbers = deltas.map(({ seq = 0 }) => seq);
    assert.deepEqual(numbers, [...new Set(numbers)].sort((one, other) => one - other), 'one numbering');
  });
});

/** Process ids of the workers that a server has. */
function mediaWorkers(serverPid: number): number[] {
  const threads = `/proc/${String(serverPid)}/task`;
  const children = readdirSync(threads).flatMap((thread) => readFileSync(`${threads}/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number));
  return children.filter((pid) => readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8').includes('mediasoup-worker'));
}
