import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { PERMISSIONS } from '../../core/principal.ts';
import { FedSource, joined, loud, quiet, settle } from '../../core/testing/audio.ts';
import { placesAt } from '../../core/testing/fake-backend.ts';
import { OPERATOR } from '../../tenancy/testing/tenancy.ts';
import { BASE, type ErrorAnswer, startServer } from '../testing/server.ts';

const server = await startServer({ maxSessions: 10 });
const { secret } = await server.tenancy.keys.create(OPERATOR, 'default', { name: 'viewers', permissions: PERMISSIONS, expiresAtMs: null, budget: null });
after(() => server.close());

function speaking() {
  const session = server.sessions.create({ tenantId: 'default', admit: placesAt(server.recognizer) });
  const source = new FedSource();
  session.addLane(source, 'mic');
  const say = async (...parts: readonly Int16Array[]): Promise<void> => {
    source.pcm(joined(...parts));
    for (let turn = 0; turn < 20; turn += 1) await settle();
  };
  return { session, say };
}

const get = (path: string): Promise<Response> => fetch(`${server.url}${BASE}/sessions/${path}`);

/** What a player has after it has fetched everything that the playlist names. */
async function play(url: string): Promise<{ readonly playlist: string; readonly segments: readonly string[] }> {
  const playlist = await (await fetch(url)).text();
  const addresses = playlist.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return { playlist, segments: await Promise.all(addresses.map(async (address) => (await fetch(new URL(address, url))).text())) };
}

test('a player reads a live session by segments, late or from the beginning, to the end', async () => {
  const { session, say } = speaking();
  const url = `${server.url}${BASE}/sessions/${session.id}/captions.m3u8`;
  assert.equal((await play(url)).segments.length, 0);
  await say(loud(1000), quiet(9000), loud(1000));
  const early = await play(`${url}?mpegts=900000`);
  assert.equal(early.segments.length, 2, 'and no further than the open utterance');
  assert.match(early.segments[0] ?? '', /^WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n\n00:00:0\d.\d{3} --> 00:00:0\d.\d{3}\nw0 w1\n$/);
  assert.doesNotMatch(early.segments[1] ?? '', /-->/);
  await say(quiet(9000));
  const windowed = await play(`${url}?window=8`);
  assert.match(windowed.playlist, /MEDIA-SEQUENCE:2\n#EXTINF/);
  const whole = await play(`${url}?window=0&mpegts=900000`);
  assert.deepEqual(whole.segments.slice(0, 2), early.segments, 'a segment never changes');
  assert.equal(whole.segments.filter((segment) => segment.includes('w20 w21')).length, 1);
  await session.close('finished');
  assert.match((await play(url)).playlist, /#EXT-X-ENDLIST\n$/);
});

test('a link opens the playlist and its segments, of this session alone', async () => {
  const { session, say } = speaking();
  await say(loud(1000), quiet(5000));
  const made = await fetch(`${server.url}${BASE}/sessions/${session.id}/share`, { method: 'POST', headers: { authorization: `Bearer ${secret}` } });
  const { playlist_url: url } = ((await made.json()) as { readonly data: { readonly playlist_url: string } }).data;
  const { playlist, segments } = await play(url);
  assert.match(playlist, /captions\/0\.vtt\?token=/);
  assert.match(segments[0] ?? '', /w0 w1/);
  const other = speaking();
  assert.equal((await fetch(url.replace(session.id, other.session.id))).status, 404);
  await Promise.all([session.close('finished'), other.session.close('finished')]);
});

test('what is not there is told', async () => {
  const { session } = speaking();
  for (const [path, status, code] of [
    [`${session.id}/captions/0.vtt`, 404, 'NOT_FOUND'],
    [`${session.id}/captions/x.vtt`, 404, 'NOT_FOUND'],
    [`${session.id}/captions.m3u8?window=-1`, 422, 'VALIDATION_ERROR'],
    ['ses_none/captions.m3u8', 404, 'NOT_FOUND'],
  ] as const) {
    const answer = await get(path);
    assert.deepEqual([answer.status, ((await answer.json()) as ErrorAnswer).error.code], [status, code], path);
  }
  await session.close('finished');
});
