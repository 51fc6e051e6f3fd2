import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { launchBrowser } from './clients/browser.ts';
import { openCaptionsPage, startCaptions } from './clients/captions.ts';
import { eventually } from './eventually.ts';
import { TestServer } from './server.ts';
import { inSequence, synthesize, withSilence } from './speech.ts';
import { SENTENCES } from './spoken.ts';
import { TwoLinks } from './two-links.ts';
import { wordErrors } from './wer.ts';

/** Until WebRTC has taken over, on a busy machine too. */
const LEAD_MS = 5000;
const PAUSE_MS = 900;
const TAIL_MS = 4000;
/** Words of a sentence that must be there before its way is taken away. */
const WORDS_BEFORE = 3;
/** The engine makes none or one mistake in one of these sentences. A second of lost or doubled speech is three words. */
const MAX_EXTRA_OR_MISSING = 1;
const SPOKEN = [SENTENCES.brother, SENTENCES.river, SENTENCES.train];

// They wait for what is said more than they work.
describe('a network that changes under a running session', { concurrency: 2 }, () => {
  for (const engine of ['werift', 'mediasoup']) {
    it(`takes the browser from one address to another on ${engine}: WebRTC is made anew in the same session, and no word is lost or comes twice`, async (context) => {
      await using links = await TwoLinks.open();
      if (!links) {
        context.skip('NOT TESTED: there are no network namespaces here (they take root, and iproute2)');
        return;
      }
      await using server = await TestServer.start({ env: { EARSHOT_MEDIA_ENGINE: engine === 'werift' ? engine : 'auto', EARSHOT_HOST: '0.0.0.0' } });
      const { port } = new URL(server.url);
      const here = `http://127.0.0.1:${port}`;
      const { media_engine: running } = (await (await fetch(`${here}/readyz`)).json()) as { media_engine: string };
      if (running !== engine) {
        context.skip(`NOT TESTED: there is no ${engine} here`);
        return;
      }
      const last = SPOKEN.length - 1;
      const parts = await Promise.all(SPOKEN.map(async (text, index) => withSilence(await synthesize(text), index === 0 ? LEAD_MS : 0, index === last ? TAIL_MS : PAUSE_MS)));
      const there = `http://${links.serverAddress}:${port}`;
      const browser = await launchBrowser(await inSequence(...parts), {
        executablePath: links.browserPath,
        args: [`--unsafely-treat-insecure-origin-as-secure=${there}`],
      });
      try {
        const page = await openCaptionsPage(browser, server);
        const { deltas, ended } = await startCaptions(page, server, there, here);
        const connections: string[] = [];
        const look = async (): Promise<string> => {
          const now = await page.locator('#connection-text').innerText();
          if (connections.at(-1) !== now) connections.push(now);
          return now;
        };
        const finals = (): readonly string[] => deltas.filter(({ isFinal }) => isFinal).map(({ text }) => text);
        const seen = (): unknown => [connections, finals(), deltas.at(-1)?.text];

        await eventually('the first words, by WebRTC', async () => {
          const now = await look();
          return now === 'WebRTC · connected' && deltas.some(({ isFinal, words }) => !isFinal && words.length >= WORDS_BEFORE);
        }, { seen });
        await links.cutFirst();
        await eventually('WebRTC is back', async () => {
          await look();
          return connections.filter((text) => text === 'WebRTC · connected').length === 2;
        }, { seen });
        await eventually('all was said', async () => {
          await look();
          return finals().length >= SPOKEN.length;
        }, { seen });
        await page.getByRole('button', { name: 'Stop captions' }).click();
        await ended;

        assert.deepEqual(connections.filter((text) => text.endsWith('connected')), ['WebSocket · connected', 'WebRTC · connected', 'WebSocket · connected', 'WebRTC · connected']);
        const said = finals().join(' ');
        const { deletions, insertions } = wordErrors(SPOKEN.join(' '), said);
        assert.ok(Math.max(deletions, insertions) <= MAX_EXTRA_OR_MISSING, said);
        assert.deepEqual(new Set(deltas.map(({ lane }) => lane)), new Set([0]), 'one lane');
        const numbers = deltas.map(({ seq = 0 }) => seq);
        assert.deepEqual(numbers, [...new Set(numbers)].sort((one, other) => one - other), 'one numbering');
      } finally {
        await browser.close();
      }
    });
  }
});
