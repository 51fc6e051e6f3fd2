import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findFirefox, Firefox } from './clients/firefox.ts';
import { SoundServer } from './clients/sound-server.ts';
import { eventually } from './eventually.ts';
import { TestServer } from './server.ts';
import { synthesize } from './speech.ts';
import { MAX_WORD_ERROR_RATE, SENTENCES } from './spoken.ts';
import { wordErrors } from './wer.ts';

/** What can be read on the page. */
const SEEN = `({
  connection: document.querySelector('#connection').innerText.trim(),
  problem: document.querySelector('#problem').innerText,
  finals: [...document.querySelectorAll('#captions p[data-final=true]')].map((line) => line.innerText),
})`;
const press = (name: string): string => `[...document.querySelectorAll('button')].find((button) => button.innerText.trim() === '${name}').click()`;

interface Seen {
  readonly connection: string;
  readonly problem: string;
  readonly finals: readonly string[];
}

const executable = findFirefox();
const missing = (executable === undefined || !SoundServer.isInstalled) && 'NOT TESTED: there is no Firefox with sound here (apt-get install firefox-esr pulseaudio pulseaudio-utils)';

describe('the page in a real Firefox', { skip: missing }, () => {
  for (const engine of ['mediasoup', 'werift']) {
    it(`shows captions of speech by WebRTC, received by ${engine}`, async (context) => {
      await using server = await TestServer.start({ env: { EARSHOT_MEDIA_ENGINE: engine === 'werift' ? engine : 'auto' } });
      const { media_engine: running } = (await (await fetch(`${server.url}/readyz`)).json()) as { media_engine: string };
      if (running !== engine) {
        context.skip(`NOT TESTED: there is no ${engine} here`);
        return;
      }
      await using sound = await SoundServer.start();
      await using firefox = await Firefox.launch(executable ?? '', sound.env);
      await firefox.goto(`${server.url}/?transport=webrtc`);
      await firefox.evaluate(press('Start captions'));
      let seen: Seen | undefined;
      const look = async (): Promise<Seen> => (seen = await firefox.evaluate<Seen>(SEEN));
      await eventually('the page is connected', async () => (await look()).connection === 'WebRTC · connected', { timeoutMs: 30_000, seen: () => seen });
      await sound.say(await synthesize(SENTENCES.brother));
      await eventually('the sentence is settled on the page', async () => (await look()).finals.length > 0, { timeoutMs: 60_000, seen: () => seen });
      assert.ok(wordErrors(SENTENCES.brother, seen?.finals.join(' ') ?? '').rate <= MAX_WORD_ERROR_RATE, JSON.stringify(seen));
      await firefox.evaluate(press('Stop captions'));
      await server.idle();
    });
  }
});
