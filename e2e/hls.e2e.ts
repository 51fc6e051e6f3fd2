import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Earshot } from '../client/index.ts';
import { API, TestServer } from './server.ts';
import { MAX_WORD_ERROR_RATE, STORY, tellStory } from './spoken.ts';
import { wordErrors } from './wer.ts';

const run = promisify(execFile);

/** The words of what a player writes as WebVTT. A cue on the border of two segments stands in both. */
function wordsOf(vtt: string): string {
  const cues = [...vtt.matchAll(/^[\d:.]+ --> [\d:.]+\n(?:[a-z ']+\n)+/gm)].map(([cue]) => cue);
  return [...new Set(cues)].map((cue) => cue.split('\n').slice(1).join(' ')).join(' ');
}

describe('captions for players of HLS', () => {
  let server: TestServer;

  before(async () => {
    server = await TestServer.start();
  });
  after(() => server.stop());

  it('are played by ffmpeg, and never change once they are there', { timeout: 120_000 }, async () => {
    const stream = new Earshot({ url: server.url, key: server.apiKey }).stream({});
    await stream.opened;
    const url = `${server.url}${API}/sessions/${stream.sessionId ?? ''}/captions.m3u8?window=0`;
    const seen = new Map<string, string>();
    /** Fetches what the playlist names; what was there before must be the same. */
    const look = async (): Promise<string> => {
      const playlist = await (await fetch(url)).text();
      for (const line of playlist.split('\n').filter((each) => each !== '' && !each.startsWith('#'))) {
        const text = await (await fetch(new URL(line, url))).text();
        assert.equal(seen.get(line) ?? text, text, line);
        seen.set(line, text);
      }
      return playlist;
    };
    const audio = await readFile(await tellStory());
    for (let at = 0; at < audio.length; at += 16_000) {
      await stream.send(audio.subarray(at, at + 16_000));
      await look();
    }
    await stream.finish();
    assert.match(await look(), /#EXT-X-ENDLIST/);
    const { stdout } = await run('ffmpeg', ['-loglevel', 'error', '-allowed_extensions', 'ALL', '-i', url, '-f', 'webvtt', '-']);
    assert.ok(wordErrors(STORY, wordsOf(stdout)).rate <= MAX_WORD_ERROR_RATE, stdout);
    const { stdout: probed } = await run('ffprobe', ['-loglevel', 'error', '-allowed_extensions', 'ALL', '-show_entries', 'stream=codec_name', '-of', 'csv=p=0', url]);
    // A probe may list the stream twice: by itself, and under its program.
    assert.deepEqual(new Set(probed.split('\n').filter((line) => line !== '')), new Set(['webvtt']));
    await server.idle();
  });
});
