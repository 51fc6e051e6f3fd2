import type { Browser, Page } from 'playwright-core';
import { Earshot, type Delta } from '../../client/index.ts';
import type { TestServer } from '../server.ts';

export interface Captions {
  /** What a second client is told of the session, so far. */
  readonly deltas: readonly Delta[];
  /** Resolves when the session has ended. */
  readonly ended: Promise<void>;
}

/** A page that may use the microphone. */
export async function openCaptionsPage(browser: Browser, server: TestServer): Promise<Page> {
  const page = await (await browser.newContext({ permissions: ['microphone'] })).newPage();
  await page.addInitScript(`sessionStorage.setItem('earshot-api-key', '${server.apiKey}')`);
  return page;
}

/** Opens the server's page at `url`, starts captions by WebRTC, and watches their session at `watchUrl` (default: there too). */
export async function startCaptions(page: Page, server: TestServer, url: string, watchUrl = url): Promise<Captions> {
  await page.goto(url);
  const created = page.waitForResponse((response) => response.url().endsWith('/webrtc/sessions'));
  await page.getByRole('button', { name: 'Start captions' }).click();
  const { data } = (await (await created).json()) as { data: { session_id: string } };
  const deltas: Delta[] = [];
  const ended = (async () => {
    for await (const frame of new Earshot({ url: watchUrl, key: server.apiKey }).watch(data.session_id)) if (frame.type === 'delta') deltas.push(frame);
  })();
  ended.catch(() => undefined);
  return { deltas, ended };
}
