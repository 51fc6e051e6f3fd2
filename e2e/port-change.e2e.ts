import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { launchBrowser } from './clients/browser.ts';
import { openCaptionsPage, startCaptions } from './clients/captions.ts';
import { eventually } from './eventually.ts';
import { Nat } from './nat.ts';
import { TestServer } from './server.ts';
import { inSequence, synthesize, withSilence } from './speech.ts';
import { SENTENCES } from './spoken.ts';
import { wordErrors } from './wer.ts';

/** Until WebRTC has taken over, on a busy machine too. */
const LEAD_MS = 5000;
const PAUSE_MS = 900;
const TAIL_MS = 4000;
/** Words of a sentence that must be there before its port is another. */
const WORDS_BEFORE = 3;
/** The engine makes none or one mistake in one of these sentences, or where one is cut. A second of lost or doubled speech is three words. */
const MAX_EXTRA_OR_MISSING = 2;
const SPOKEN = [SENTENCES.brother, SENTENCES.river];

// They wait for what is said more than they work.
describe('a NAT that gives a running session another port', { concurrency: 2 }, () => {
  for (const engine of ['werift', 'mediasoup']) {
    it(`costs no word on ${engine}`, async (context) => {
      await using server = await TestServer.start({ env: { EARSHOT_MEDIA_ENGINE: engine === 'werift' ? engine : 'auto' } });
      const { media_engine: running } = (await (await fetch(`${server.url}/readyz`)).json()) as { media_engine: string };
      if (running !== engine) {
        context.skip(`NOT TESTED: there is no ${engine} here`);
        return;
      }
      const [first, second] = await Promise.all(SPOKEN.map((text) => synthesize(text)));
      assert.ok(first !== undefined && second !== undefined);
      const browser = await launchBrowser(await inSequence(await withSilence(first, LEAD_MS, PAUSE_MS), await withSilence(second, 0, TAIL_MS)));
      try {
        const page = await openCaptionsPage(browser, server);
        await using nat = await Nat.open(page);
        const { deltas, ended } = await startCaptions(page, server, server.url);
        const finals = (): readonly string[] => deltas.filter(({ isFinal }) => isFinal).map(({ text }) => text);
        const seen = (): unknown => [finals(), deltas.at(-1)?.text];

        await eventually('the first words', () => deltas.some(({ isFinal, words }) => !isFinal && words.length >= WORDS_BEFORE), { seen });
        await eventually('a path by WebRTC', async () => (await page.locator('#connection-text').innerText()) === 'WebRTC · connected', { seen });
        const noticed = engine === 'werift' ? eventually('the hole is noticed', async () => (await page.locator('#connection-text').innerText()) !== 'WebRTC · connected', { seen }) : undefined;
        nat.forget();
        await noticed;
        // A hole that everything falls into late may end an utterance.
        await eventually('all was said', () => deltas.at(-1)?.isFinal === true && wordErrors(SPOKEN.join(' '), finals().join(' ')).deletions <= MAX_EXTRA_OR_MISSING, { seen });
        await page.getByRole('button', { name: 'Stop captions' }).click();
        await ended;

        const said = finals().join(' ');
        const { deletions, insertions } = wordErrors(SPOKEN.join(' '), said);
        assert.ok(Math.max(deletions, insertions) <= MAX_EXTRA_OR_MISSING, said);
      } finally {
        await browser.close();
      }
    });
  }
});
