import type { Browser, Page } from 'playwright-core';
import { launchBrowser } from '../clients/browser.ts';
import { monotonicMs } from './live-messages.ts';

/**
 * The microphone's samples are read beside the connections, with the times of their capture: the browser's own, put to the page's clock by the chunk
 * that was delivered fastest.
 */
const PAGE = `
  let track, leastMs = Infinity, lastLoud = -Infinity;
  const onsets = [], connections = [];
  const listen = async () => {
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const { timestamp, sampleRate, numberOfFrames } = value;
      leastMs = Math.min(leastMs, performance.now() - timestamp / 1000 - numberOfFrames / sampleRate * 1000);
      const samples = new Float32Array(numberOfFrames);
      value.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
      value.close();
      samples.forEach((sample, i) => {
        if (Math.abs(sample) < 0.09) return;
        const ms = timestamp / 1000 + i / sampleRate * 1000;
        if (ms - lastLoud > 200) onsets.push(ms);
        lastLoud = ms;
      });
    }
  };
  globalThis.open = async () => {
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    [track] = (await navigator.mediaDevices.getUserMedia({ audio })).getAudioTracks();
    void listen();
  };
  globalThis.offer = async () => {
    const pc = new RTCPeerConnection();
    const index = connections.push(pc) - 1;
    pc.addTransceiver(track, { direction: 'sendonly' });
    await pc.setLocalDescription();
    return { index, sdp: pc.localDescription.sdp };
  };
  globalThis.accept = async ({ index, sdp }) => {
    const pc = connections[index];
    await pc.setRemoteDescription({ type: 'answer', sdp });
    await new Promise((resolve) => { const look = () => pc.connectionState === 'connected' && resolve(); pc.onconnectionstatechange = look; look(); });
  };
  globalThis.leave = (index) => connections[index].close();
  globalThis.marks = () => onsets.map((ms) => ms + leastMs);
`;

/** A page of a real Chromium that publishes its microphone. */
export class MicrophonePage implements AsyncDisposable {
  readonly #browser: Browser;
  readonly #page: Page;

  /** `url`: any page that may use a microphone. */
  static async open(recording: string, url: string): Promise<MicrophonePage> {
    const browser = await launchBrowser(recording);
    const page = await (await browser.newContext({ permissions: ['microphone'] })).newPage();
    await page.goto(url);
    await page.evaluate(PAGE);
    await page.evaluate('open()');
    return new MicrophonePage(browser, page);
  }

  private constructor(browser: Browser, page: Page) {
    this.#browser = browser;
    this.#page = page;
  }

  async offer(): Promise<{ readonly index: number; readonly sdp: string }> {
    return await this.#page.evaluate<{ index: number; sdp: string }>('offer()');
  }

  /** Resolves once media can flow. */
  async accept(index: number, sdp: string): Promise<void> {
    await this.#page.evaluate(`accept(${JSON.stringify({ index, sdp })})`);
  }

  async leave(index: number): Promise<void> {
    await this.#page.evaluate(`leave(${index})`);
  }

  /** When the microphone had each mark, by the machine's monotonic clock. */
  async marks(): Promise<number[]> {
    const marks = await this.#page.evaluate<number[]>('marks()');
    const aheadMs = await this.#clockOffsetMs();
    return marks.map((ms) => ms + aheadMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }

  /** By the question that was answered fastest. */
  async #clockOffsetMs(): Promise<number> {
    let best = { tookMs: Infinity, offsetMs: 0 };
    for (let i = 0; i < 20; i += 1) {
      const askedMs = monotonicMs();
      const pageMs = await this.#page.evaluate<number>('performance.now()');
      const tookMs = monotonicMs() - askedMs;
      if (tookMs < best.tookMs) best = { tookMs, offsetMs: askedMs + tookMs / 2 - pageMs };
    }
    return best.offsetMs;
  }
}
