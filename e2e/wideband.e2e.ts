import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { launchBrowser } from './clients/browser.ts';
import { eventually } from './eventually.ts';
import { TestServer } from './server.ts';
import { synthesize, withSilence } from './speech.ts';
import { MAX_WORD_ERROR_RATE, SENTENCES } from './spoken.ts';
import { wordErrors } from './wer.ts';

const API = '/v1/modules/scaiecho';
const LEAD_MS = 2000;
/** The sentence takes four seconds. */
const SPEECH_MS = 6000;
const PACKET_MS = 20;
const WIDEBAND = 16_000;
const FULLBAND = 48_000;

/**
 * Publishes the microphone and notes the greatest sampling rate that each Opus packet needs, by the first byte of its frame (RFC 6716, section 3.1): of
 * redundant audio (RFC 2198) that of the last block.
 */
const PUBLISHER = `
  globalThis.ratesHz = [];
  const rateHz = (toc) => toc < 128 ? [8000, 12000, 16000][toc >> 5] ?? (toc & 16 ? 48000 : 24000) : [8000, 16000, 24000, 48000][(toc >> 5) & 3];
  const opusAt = (bytes, isRed) => {
    if (!isRed) return 0;
    let [header, skipped] = [0, 0];
    for (; bytes[header] & 0x80; header += 4) skipped += ((bytes[header + 2] & 3) << 8) | bytes[header + 3];
    return header + 1 + skipped;
  };
  globalThis.publish = async (url, change) => {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const pc = new RTCPeerConnection({ encodedInsertableStreams: true });
    const { sender } = pc.addTransceiver(stream.getAudioTracks()[0], { direction: 'sendonly' });
    const { readable, writable } = sender.createEncodedStreams();
    readable.pipeThrough(new TransformStream({
      transform(frame, controller) {
        const bytes = new Uint8Array(frame.data);
        ratesHz.push(rateHz(bytes[opusAt(bytes, frame.getMetadata().payloadType !== 111)]));
        controller.enqueue(frame);
      },
    })).pipeTo(writable);
    await pc.setLocalDescription();
    await new Promise((resolve) => { pc.onicecandidate = ({ candidate }) => candidate === null && resolve(); });
    const created = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: pc.localDescription.sdp });
    const sdp = await created.text();
    await pc.setRemoteDescription({ type: 'answer', sdp: change === 'unasked' ? sdp.replace(/maxplaybackrate=\\d+;/, '') : sdp });
    globalThis.leave = () => fetch(created.headers.get('location'), { method: 'DELETE' });
    return created.headers.get('link');
  };
`;

describe('a browser that publishes', () => {
  let server: TestServer;
  let browser: Browser | undefined;
  before(async () => {
    server = await TestServer.start();
    browser = await launchBrowser(await withSilence(await synthesize(SENTENCES.river, 'slt'), LEAD_MS, 0));
  });
  after(async () => {
    await browser?.close();
    await server.idle();
    await server.stop();
  });

  for (const [change, rateHz] of [['asked', WIDEBAND], ['unasked', FULLBAND]] as const) {
    it(`sends Opus of at most ${String(rateHz)} Hz where it is ${change} for what a lane keeps, and is heard`, async () => {
      assert.ok(browser);
      const context = await browser.newContext({ permissions: ['microphone'] });
      const page = await context.newPage();
      await page.addInitScript(PUBLISHER);
      await page.goto(server.url);
      const link = await page.evaluate<string>(`publish('/whip/room-${change}', '${change}')`);
      const sessionId = /sessions\/(ses_[\w-]+)\/events/.exec(link)?.[1] ?? '';
      const captions = fetch(`${server.url}${API}/sessions/${sessionId}/captions.vtt`).then((response) => response.text());
      const ratesHz = (): Promise<number[]> => page.evaluate<number[]>('ratesHz');
      await eventually('the sentence is sent', async () => (await ratesHz()).length >= (LEAD_MS + SPEECH_MS) / PACKET_MS, { timeoutMs: 20_000 });
      assert.equal(Math.max(...(await ratesHz())), rateHz);
      await page.evaluate('leave()');
      const heard = (await captions).split('\n').filter((line) => line !== 'WEBVTT' && !line.includes('-->')).join(' ').replaceAll(/<[^>]*>/g, '');
      assert.ok(wordErrors(SENTENCES.river, heard).rate <= MAX_WORD_ERROR_RATE, heard);
      await context.close();
    });
  }
});
