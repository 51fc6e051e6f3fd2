import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { launchBrowser } from './clients/browser.ts';
import { openCaptionsPage, startCaptions } from './clients/captions.ts';
import { killByCommand } from './runner/processes.ts';
import { TestServer } from './server.ts';
import { synthesize, withSilence } from './speech.ts';
import { SENTENCES } from './spoken.ts';
import { eventually } from './eventually.ts';

const LEAD_MS = 3000;

// They wait more than they work.
describe('a browser that is killed while somebody speaks', { concurrency: 2 }, () => {
  for (const engine of ['werift', 'mediasoup']) {
    it(`leaves a session that ends by itself with what was said, and nothing else, on ${engine}`, async (context) => {
      await using server = await TestServer.start({ env: { EARSHOT_MEDIA_ENGINE: engine === 'werift' ? engine : 'auto' } });
      const { media_engine: running } = (await (await fetch(`${server.url}/readyz`)).json()) as { media_engine: string };
      if (running !== engine) {
        context.skip(`NOT TESTED: there is no ${engine} here`);
        return;
      }
      const mark = `--killed-by-a-test-of-${engine}-${String(process.pid)}`;
      const browser = await launchBrowser(await withSilence(await synthesize(SENTENCES.river), LEAD_MS, 0), { args: [mark] });
      try {
        const page = await openCaptionsPage(browser, server);
        const { deltas, ended } = await startCaptions(page, server, server.url);
        await eventually('captions by WebRTC', async () => deltas.length > 0 && (await page.locator('#connection-text').innerText()) === 'WebRTC · connected');
        killByCommand(mark);
        const killedMs = performance.now();
        await ended;
        context.diagnostic(`ended ${((performance.now() - killedMs) / 1000).toFixed(1)} s later`);
        assert.equal(deltas.at(-1)?.isFinal, true);
        await server.idle();
      } finally {
        await browser.close();
      }
    });
  }
});
