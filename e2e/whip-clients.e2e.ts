import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser, Response } from 'playwright-core';
import { build, type Rolldown } from 'vite';
import { launchBrowser } from './clients/browser.ts';
import { StreamClient } from './clients/stream.ts';
import { readEvents } from './clients/viewers.ts';
import type { Frame } from './clients/wire.ts';
import { eventually, within } from './eventually.ts';
import { API, TestServer } from './server.ts';
import { silence, synthesize, withSilence } from './speech.ts';
import { MAX_WORD_ERROR_RATE, SENTENCES } from './spoken.ts';
import { wordErrors } from './wer.ts';

const CLIENTS = path.join(import.meta.dirname, 'clients');
/** Debian's own, which has Debian's packages; another Python may come first in the path. */
const PYTHON = '/usr/bin/python3';
const GSTREAMER = 'python3-gst-1.0 gir1.2-gst-plugins-bad-1.0 gstreamer1.0-nice gstreamer1.0-plugins-bad gstreamer1.0-plugins-base gstreamer1.0-plugins-good';
const NEEDED = "import gi; [gi.require_version(n, '1.0') for n in ('Gst', 'GstWebRTC', 'GstSdp')]; from gi.repository import Gst; Gst.init(None); "
  + "assert all(Gst.ElementFactory.find(n) for n in ('webrtcbin', 'nicesrc', 'opusenc', 'rtpopuspay', 'dtlsenc', 'srtpenc', 'appsrc'))"; // prettier-ignore
const LEAD_MS = 300;
const TAIL_MS = 1500;

interface Heard {
  readonly frames: readonly Frame[];
  /** What all readers of the session got, once it is over. */
  readonly finished: Promise<{ readonly events: string; readonly socket: string; readonly vtt: string }>;
}

const finalsOf = (frames: readonly Frame[]): string => frames.flatMap((frame) => (frame.type === 'delta' && frame.is_final ? [frame.text] : [])).join(' ');
const assertHeard = (text: string, heard: string, how: string): void => {
  assert.ok(wordErrors(text, heard).rate <= MAX_WORD_ERROR_RATE, `${how}: ${heard}`);
};

for (const engine of ['mediasoup', 'werift']) {
  describe(`publishers by WHIP that are not ours, received by ${engine}`, () => {
    let server: TestServer;
    let pages: Server;
    let browser: Browser;
    let missing: string | false;
    let authorization: Record<string, string>;

    before(async () => {
      server = await TestServer.start({ env: { EARSHOT_MEDIA_ENGINE: engine === 'werift' ? engine : 'auto' } });
      const { media_engine: running } = (await (await fetch(`${server.url}/readyz`)).json()) as { media_engine: string };
      missing = running !== engine && `NOT TESTED: there is no ${engine} here`;
      authorization = { authorization: `Bearer ${server.apiKey}` };
      [pages, browser] = await Promise.all([servePages(await synthesize(SENTENCES.garden)), launchBrowser(await silence(1, 'digital'))]);
    });
    after(async () => {
      await browser.close();
      pages.close();
      await server.idle();
      await server.stop();
    });

    /** Reads a session in the three ways that there are. */
    async function watch(sessionId: string): Promise<Heard> {
      const viewer = `${API}/sessions/${sessionId}`;
      const frames: Frame[] = [];
      const socket = await StreamClient.connect(server, `sessions/${sessionId}/watch`, authorization);
      const events = readEvents(`${server.url}${viewer}/events`, (frame) => frames.push(frame), authorization);
      const vtt = fetch(`${server.url}${viewer}/captions.vtt`, { headers: authorization }).then((response) => response.text());
      const finished = Promise.all([events, socket.closed, vtt]).then(([, , text]) => ({ events: finalsOf(frames), socket: socket.text, vtt: text.replaceAll(/^(?:WEBVTT|.* --> .*)$|<[^>]*>/gm, '').replaceAll(/\s+/g, ' ') }));
      return { frames, finished };
    }

    async function assertRead(text: string, { finished }: Heard): Promise<void> {
      const { events, socket, vtt } = await within('readers are told of the end', finished);
      assertHeard(text, events, 'server-sent events');
      assert.equal(socket, events, 'WebSocket and server-sent events tell the same');
      assertHeard(text, vtt, 'WebVTT');
    }

    /** Of the session that the answer to a POST names. */
    const sessionOf = (link: string | undefined): string => /sessions\/(ses_[\w-]+)\/events/.exec(link ?? '')?.[1] ?? '';

    // The first closes its connection before it deletes: the session may be over by then.
    for (const [name, patched, deleted] of [['@binbat/whip-whep', true, [200, 404]], ['@eyevinn/whip-web-client', false, [200]]] as const) {
      it(`${name} from npm, on a page of another origin`, async (context) => {
        if (missing !== false) {
          context.skip(missing);
          return;
        }
        await using page = await browser.newPage();
        const answers: Response[] = [];
        page.on('response', (response) => {
          if (response.url().startsWith(`${server.url}/whip`)) answers.push(response);
        });
        await page.goto(`http://127.0.0.1:${(pages.address() as AddressInfo).port}/`);
        await page.evaluate(`publish('${name}', '${server.url}/whip', '${server.apiKey}')`);
        const created = answers.find((answer) => answer.request().method() === 'POST');
        assert.equal(created?.status(), 201);
        const heard = await watch(sessionOf((await created.allHeaders())['link']));
        await page.evaluate('speak()');
        await eventually('it is heard', () => finalsOf(heard.frames) !== '', { seen: () => heard.frames.length });
        await page.evaluate('stop()');
        await assertRead(SENTENCES.garden, heard);
        const statuses = (method: string): Set<number> => new Set(answers.filter((answer) => answer.request().method() === method).map((answer) => answer.status()));
        assert.deepEqual(statuses('PATCH'), new Set(patched ? [204] : []));
        assert.equal(statuses('DELETE').size, 1);
        assert.ok([...statuses('DELETE')].every((status) => deleted.some((fine) => fine === status)), [...statuses('DELETE')].join());
      });
    }

    it("GStreamer's webrtcbin", async (context) => {
      if (missing !== false || !(await hasGstreamer())) {
        context.skip(missing === false ? `NOT TESTED: there is no GStreamer with WebRTC here (apt-get install ${GSTREAMER})` : missing);
        return;
      }
      const recording = await withSilence(await synthesize(SENTENCES.brother), LEAD_MS, TAIL_MS);
      const program = spawn(PYTHON, [path.join(CLIENTS, 'gstreamer_whip.py'), `${server.url}/whip?name=Alice`, server.apiKey, recording]);
      let output = '';
      let complaints = '';
      program.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
      program.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
      const answers = (): { readonly method: string; readonly status: number; readonly link: string }[] => output.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as ReturnType<typeof answers>[number]);
      const created = await eventually('GStreamer publishes', () => answers()[0], { seen: () => complaints });
      assert.deepEqual([created.method, created.status], ['POST', 201]);
      const heard = await watch(sessionOf(created.link));
      await within('GStreamer ends', once(program, 'close'));
      assert.deepEqual(answers().at(-1)?.method, 'DELETE', complaints);
      assert.deepEqual(answers().at(-1)?.status, 200);
      await assertRead(SENTENCES.brother, heard);
    });
  });
}

async function hasGstreamer(): Promise<boolean> {
  return new Promise((resolve) => execFile(PYTHON, ['-c', NEEDED], (error) => resolve(error === null)));
}

/** Somebody else's page, with the packages and a recording. */
async function servePages(recording: string): Promise<Server> {
  const built = (await build({
    configFile: false,
    logLevel: 'error',
    build: { write: false, minify: false, rolldownOptions: { input: path.join(CLIENTS, 'whip-page.mjs') } },
  })) as Rolldown.RolldownOutput;
  const script = built.output[0].code;
  const sound = await readFile(recording);
  const server = createServer((request, response) => {
    if (request.url === '/recording.wav') response.setHeader('content-type', 'audio/wav').end(sound);
    else if (request.url === '/page.js') response.setHeader('content-type', 'text/javascript').end(script);
    else response.setHeader('content-type', 'text/html').end('<!doctype html><title>Somebody else</title><script type="module" src="/page.js"></script>');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
