import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { launchBrowser, watchFaults } from './clients/browser.ts';
import { eventually } from './eventually.ts';
import { TestServer } from './server.ts';
import { asChannels, convert, synthesize, withSilence } from './speech.ts';
import { MAX_WORD_ERROR_RATE, SENTENCES, STORY, tellStory } from './spoken.ts';
import { wordErrors } from './wer.ts';

/** The recording starts with the microphone; who has pressed the button speaks. */
const LEAD_MS = 300;
const TAIL_MS = 3000;
const STORY_UTTERANCES = 3;

/** A network that lets no UDP through: only relays would help, and there is none. */
const NO_DIRECT_PATH = `globalThis.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(configuration) { super({ ...configuration, iceTransportPolicy: 'relay' }); }
};`;
/** One on which WebRTC takes its time. */
const SLOW_PATH = `globalThis.RTCPeerConnection = class extends RTCPeerConnection {
  async setRemoteDescription(description) {
    await new Promise((resolve) => setTimeout(resolve, 3000));
    return super.setRemoteDescription(description);
  }
};`;
const NO_WEBRTC = 'delete globalThis.RTCPeerConnection;';

function assertHeard(spoken: string, heard: string): void {
  const { rate } = wordErrors(spoken, heard);
  assert.ok(rate <= MAX_WORD_ERROR_RATE, `word error rate ${rate}: ${heard}`);
}

describe('the page in a real browser', () => {
  let server: TestServer;
  let browser: Browser | undefined;
  let page: Page;
  let faults: readonly string[];

  before(async () => {
    server = await TestServer.start();
  });
  after(() => server.stop());
  afterEach(async () => {
    await browser?.close();
    await server.idle();
  });

  /** Opens the page with the recording at the microphone. */
  async function open(query: string, recording: Promise<string>, script?: string): Promise<void> {
    browser = await launchBrowser(await withSilence(await recording, LEAD_MS, TAIL_MS));
    page = await (await browser.newContext({ permissions: ['microphone'] })).newPage();
    faults = watchFaults(page);
    if (script !== undefined) await page.addInitScript(script);
    await page.goto(server.url + query);
  }

  const captions = (): Promise<string[]> => page.getByRole('log', { name: 'Captions' }).locator('p[data-final=true]').allInnerTexts();
  const connection = (): Promise<string> => page.locator('#connection').innerText();

  /** Presses the button, waits until so many utterances are settled and for `until`, presses it again. Answers with what could be read. */
  async function speak(utterances: number, until: () => Promise<unknown> = () => Promise.resolve()): Promise<{ readonly text: string; readonly connections: ReadonlySet<string> }> {
    const connections = new Set<string>();
    const button = page.getByRole('button', { name: 'Start captions' });
    await button.click();
    let texts: string[] = [];
    await eventually(
      'every sentence is settled on the page',
      async () => {
        connections.add(await connection());
        texts = await captions();
        return texts.length >= utterances;
      },
      { timeoutMs: 120_000, seen: () => [...connections, texts] },
    );
    await until();
    await page.getByRole('button', { name: 'Stop captions' }).click();
    await button.waitFor();
    return { text: (await captions()).join(' '), connections };
  }

  it('shows captions of speech by WebRTC', async () => {
    await open('/?transport=webrtc', tellStory());
    const { text, connections } = await speak(STORY_UTTERANCES);
    assertHeard(STORY, text);
    assert.ok(connections.has('WebRTC · connected'), [...connections].join(', '));
    assert.match(await page.locator('#caption-delay').innerText(), /^\d+\.\d s$/);
    assert.deepEqual(faults, []);
  });

  it('hears what is said before WebRTC has a path', async () => {
    await open('/', tellStory(), SLOW_PATH);
    const { text, connections } = await speak(STORY_UTTERANCES);
    assertHeard(STORY, text);
    assert.deepEqual([...connections].filter((each) => each.endsWith('connected')), ['WebSocket · connected', 'WebRTC · connected']);
    assert.deepEqual(faults, []);
  });

  it('shows captions of speech by WebSocket', async () => {
    await open('/?transport=websocket', tellStory());
    const { text, connections } = await speak(STORY_UTTERANCES);
    assertHeard(STORY, text);
    assert.ok(connections.has('WebSocket · connected'), [...connections].join(', '));
    assert.deepEqual(faults, []);
  });

  for (const [situation, script] of [['cannot connect', NO_DIRECT_PATH], ['does not exist', NO_WEBRTC]] as const) {
    it(`falls back to the WebSocket where WebRTC ${situation}, says so and loses no word`, async () => {
      await open('/', synthesize(SENTENCES.brother), script);
      const { text, connections } = await speak(1, () => page.getByRole('status').filter({ hasText: 'WebRTC could not connect; using WebSocket' }).waitFor());
      assertHeard(SENTENCES.brother, text);
      assert.ok(connections.has('WebSocket · connected'), [...connections].join(', '));
      assert.equal(connections.has('WebRTC · connected'), false);
    });
  }

  it('can be worked by keyboard, and grows its captions word by word', async () => {
    await open('/', synthesize(SENTENCES.river));
    await page.getByRole('button', { name: 'Start captions' }).focus();
    await page.keyboard.press('Enter');
    const log = page.getByRole('log', { name: 'Captions' });
    await log.locator('p[data-final=false] .word.tentative').first().waitFor({ timeout: 60_000 });
    const final = log.locator('p[data-final=true]').first();
    await final.waitFor({ timeout: 60_000 });
    assert.equal(await final.locator('.tentative').count(), 0, 'a final is steady');
    assertHeard(SENTENCES.river, await final.innerText());
    await page.keyboard.press('Space');
    await page.getByRole('button', { name: 'Start captions' }).waitFor();
    assert.deepEqual(faults, []);
  });

  it('transcribes a file', async () => {
    await open('/', synthesize(SENTENCES.river));
    const stereo = await asChannels(await synthesize(SENTENCES.brother), await synthesize(SENTENCES.garden, 'rms'));
    const buffer = await readFile(await convert(stereo, 'flac'));
    await page.getByLabel('Choose a file').setInputFiles({ name: 'meeting.flac', mimeType: 'audio/flac', buffer });
    await page.getByText('Transcribed', { exact: true }).waitFor({ timeout: 60_000 });
    const log = page.getByRole('log', { name: 'File transcript' });
    const lines = await log.locator('p[data-final=true]').allInnerTexts();
    assert.equal(lines.length, 2);
    assertHeard(`${SENTENCES.brother} ${SENTENCES.garden}`, lines.sort((a, b) => b.indexOf('my') - a.indexOf('my')).join(' '));
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download file transcript as SRT' }).click();
    const srt = await readFile(await (await download).path(), 'utf8');
    assert.match(srt, /^1\r?\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\r?\n/);
    assert.deepEqual(faults, []);
  });

  it('says what is wrong with a file that holds no audio', async () => {
    await open('/', synthesize(SENTENCES.river));
    const buffer = Buffer.from('these are not the sounds you are looking for');
    await page.getByLabel('Choose a file').setInputFiles({ name: 'fake.wav', mimeType: 'audio/wav', buffer });
    await page.getByRole('alert').filter({ hasText: 'AUDIO_UNSUPPORTED' }).waitFor();
  });

  it('has a role and a name for everything that can be used, and fits a phone', async () => {
    await open('/', synthesize(SENTENCES.river));
    await page.setViewportSize({ width: 360, height: 740 });
    for (const [role, name] of [
      ['button', 'Start captions'],
      ['log', 'Captions'],
      ['combobox', 'Microphone'],
      ['meter', 'Microphone level'],
      ['switch', 'Confidence'],
      ['button', 'Download as text'],
      ['button', 'Download as SRT'],
      ['button', 'Download as VTT'],
      ['button', 'Copy'],
      ['heading', 'Live captions'],
      ['heading', 'Transcribe a recording'],
    ] as const) {
      assert.equal(await page.getByRole(role, { name, exact: true }).count(), 1, `${role} ${name}`);
    }
    assert.equal(await page.getByRole('main').count(), 1);
    assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1);
    const nameless = page.locator('button:visible, a:visible, input:visible, select:visible').and(page.getByRole('button', { name: /^$/ }));
    assert.equal(await nameless.count(), 0);
    const { language, title, wide, twice } = await page.evaluate<{ language: string; title: string; wide: boolean; twice: string[] }>(`({
      language: document.documentElement.lang,
      title: document.title,
      wide: document.documentElement.scrollWidth > innerWidth,
      twice: [...document.querySelectorAll('[id]')].map(({ id }) => id).filter((id, index, all) => all.indexOf(id) < index),
    })`);
    assert.deepEqual({ language, wide, twice }, { language: 'en', wide: false, twice: [] });
    assert.match(title, /captions/);
    assert.deepEqual(faults, []);
  });
});
