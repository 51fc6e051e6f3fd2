import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { after, afterEach, test } from 'node:test';
import { WebSocket } from 'ws';
import { PERMISSIONS } from '../../core/principal.ts';
import type { Session } from '../../core/session/session.ts';
import { FedSource, joined, loud, quiet, settle } from '../../core/testing/audio.ts';
import { eventually } from '../../core/testing/eventually.ts';
import { placesAt } from '../../core/testing/fake-backend.ts';
import { OPERATOR } from '../../tenancy/testing/tenancy.ts';
import { BASE, type ErrorAnswer, startServer } from '../testing/server.ts';

const server = await startServer({ maxSessions: 10 });
const { record, secret } = await server.tenancy.keys.create(OPERATOR, 'default', { name: 'viewers', permissions: PERMISSIONS, expiresAtMs: null, budget: null });
const sessions: Session[] = [];
afterEach(() => Promise.all(sessions.splice(0).map((session) => session.close('finished'))));
after(() => server.close());

/** A session as every way in makes it. */
function speaking(tenantId = 'default'): { readonly session: Session; readonly say: (ms?: number) => Promise<void> } {
  const session = server.sessions.create({ tenantId, admit: placesAt(server.recognizer) });
  sessions.push(session);
  const source = new FedSource();
  session.addLane(source, 'mic');
  return {
    session,
    say: async (ms = 1000) => {
      source.pcm(joined(loud(ms), quiet(1000)));
      await settle();
    },
  };
}

interface Sent {
  readonly id?: string;
  readonly frame: { readonly type: string; readonly text?: string; readonly is_final?: boolean; readonly code?: string };
}

const parsed = (text: string): Sent[] =>
  text.split('\n\n').flatMap((block) => {
    const data = /^data: (.*)$/m.exec(block)?.[1];
    const id = /^id: (\d+)$/m.exec(block)?.[1];
    return data === undefined ? [] : [{ frame: JSON.parse(data) as Sent['frame'], ...(id !== undefined && { id }) }];
  });
const finals = (sent: readonly Sent[]): unknown[] => sent.flatMap(({ frame }) => (frame.is_final === true ? [frame.text] : []));

/** A reader that keeps what it is sent. */
async function watch(path: string, headers: Record<string, string> = {}) {
  const asking = httpRequest(`${server.url}${BASE}/sessions/${path}`, { headers }).end();
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  let body = '';
  response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk)).on('error', () => undefined);
  const ended = new Promise((resolve) => response.once('close', resolve));
  return { response, ended, leave: () => asking.destroy(), text: () => body };
}

async function codeOf(path: string, headers: Record<string, string> = {}): Promise<[number, string]> {
  const answer = await fetch(`${server.url}${BASE}/sessions/${path}`, { headers });
  return [answer.status, ((await answer.json()) as ErrorAnswer).error.code];
}

test('server-sent events: the text so far, then the rest, to everybody alike; 204 when there is no more', async () => {
  const { session, say } = speaking();
  await say();
  const early = await watch(`${session.id}/events`);
  await eventually(() => finals(parsed(early.text())).length === 1);
  await say();
  await say();
  const late = await watch(`${session.id}/events`);
  await session.close('finished');
  await Promise.all([early.ended, late.ended]);
  assert.deepEqual([early.response.statusCode, early.response.headers['content-type'], early.response.headers['access-control-allow-origin']], [200, 'text/event-stream', '*']);
  assert.match(String(early.response.headers['x-request-id']), /^req_/);
  assert.deepEqual(finals(parsed(early.text())), ['w0 w1', 'w4 w5', 'w8 w9']);
  assert.deepEqual(finals(parsed(late.text())), finals(parsed(early.text())));
  const ids = parsed(early.text()).map(({ id }) => Number(id));
  assert.deepEqual(ids, ids.toSorted((a, b) => a - b));
  assert.deepEqual([parsed(early.text())[0]?.frame.type, parsed(early.text()).at(-1)?.frame.type], ['ready', 'closed']);
  const again = await watch(`${session.id}/events`, { 'last-event-id': String(ids.at(-1)) });
  assert.equal(again.response.statusCode, 204);
});

test('who comes back goes on after the last event it has seen', async () => {
  const { session, say } = speaking();
  const first = await watch(`${session.id}/events`);
  await say();
  await eventually(() => finals(parsed(first.text())).length === 1);
  first.leave();
  const seen = parsed(first.text()).at(-1)?.id ?? '';
  await say();
  const second = await watch(`${session.id}/events?after_seq=0`, { 'last-event-id': seen });
  const third = await watch(`${session.id}/events?after_seq=${seen}`);
  await session.close('finished');
  await Promise.all([second.ended, third.ended]);
  assert.deepEqual(finals(parsed(second.text())), ['w4 w5']);
  assert.equal(second.text(), third.text());
  assert.deepEqual(await codeOf(`${session.id}/events?after_seq=10000`), [422, 'VALIDATION_ERROR']);
  assert.deepEqual(await codeOf(`${session.id}/events`, { 'last-event-id': 'x' }), [422, 'VALIDATION_ERROR']);
});

test('a session that failed ends its readers with the error', async () => {
  const { session } = speaking();
  const events = await watch(`${session.id}/events`);
  server.clock.advance(3600_000);
  await events.ended;
  assert.equal(parsed(events.text()).at(-1)?.frame.code, 'SESSION_IDLE');
});

test('WebVTT: settled text as it settles, or as it stands', async () => {
  const { session, say } = speaking();
  const live = await watch(`${session.id}/captions.vtt`);
  await say();
  await eventually(() => live.text().includes('w0 w1'));
  const now = await (await fetch(`${server.url}${BASE}/sessions/${session.id}/captions.vtt?follow=false`)).text();
  assert.match(now, /^WEBVTT\n\n00:00:00\.\d{3} --> 00:00:0\d\.\d{3}\nw0 w1\n$/);
  await say();
  await session.close('finished');
  await live.ended;
  assert.equal(live.response.headers['content-type'], 'text/vtt; charset=utf-8');
  assert.ok(live.text().startsWith(now));
  assert.match(live.text(), /\n\n00:00:02\.\d{3} --> [^\n]+\nw4 w5\n$/);
});

test('a WebSocket reads, and may not say anything', async () => {
  const { session, say } = speaking();
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}${BASE}/sessions/${session.id}/watch`);
  const frames: Sent['frame'][] = [];
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString()) as Sent['frame']));
  await once(socket, 'open');
  await say();
  await eventually(() => frames.some(({ is_final: isFinal }) => isFinal === true));
  socket.send('{"type":"close"}');
  const [code] = (await once(socket, 'close')) as [number];
  assert.deepEqual([code, frames.at(-1)?.code, session.state], [1003, 'MESSAGE_MALFORMED', 'open']);
});

test('a reader that does not read holds up nobody, and meets no more than the latest interims', async () => {
  const { session, say } = speaking();
  const asking = httpRequest(`${server.url}${BASE}/sessions/${session.id}/events`).end();
  const [slow] = (await once(asking, 'response')) as [IncomingMessage];
  slow.pause();
  const quick = await watch(`${session.id}/events`);
  for (let count = 0; count < 30; count += 1) await say();
  await session.close('finished');
  await quick.ended;
  assert.equal(finals(parsed(quick.text())).length, 30);
  let late = '';
  slow.setEncoding('utf8').on('data', (chunk: string) => (late += chunk)).resume();
  await once(slow, 'end');
  assert.deepEqual(finals(parsed(late)), finals(parsed(quick.text())));
});

test('a link lets in to one session, by every way of reading, and to nothing else', async () => {
  const elsewhere = { host: 'earshot.example' };
  const { session, say } = speaking();
  const { session: other } = speaking();
  const made = await fetch(`${server.url}${BASE}/sessions/${session.id}/share`, { method: 'POST', headers: { authorization: `Bearer ${secret}` } });
  assert.equal(made.status, 201);
  const { data } = (await made.json()) as { data: Record<'token' | 'events_url' | 'captions_url' | 'socket_url', string> };
  await say();
  const { pathname, search } = new URL(data.events_url);
  const path = `${pathname}${search}`.slice(`${BASE}/sessions/`.length);
  const events = await watch(path, elsewhere);
  await eventually(() => finals(parsed(events.text())).length === 1);
  events.leave();
  assert.match(await (await fetch(`${data.captions_url}&follow=false`)).text(), /w0 w1/);
  const socket = new WebSocket(data.socket_url);
  await once(socket, 'message');
  socket.close();
  assert.deepEqual(await codeOf(path.replace(session.id, other.id), elsewhere), [404, 'NOT_FOUND']);
  const bearer = { authorization: `Bearer ${data.token}` };
  for (const [method, route] of [['POST', 'tokens'], ['GET', 'transcribe/jobs'], ['POST', `sessions/${session.id}/share`], ['POST', 'webrtc/sessions']] as const) {
    const { status } = await fetch(`${server.url}${BASE}/${route}`, { method, headers: bearer });
    assert.equal(status, 403, route);
  }
  await server.tenancy.keys.revoke(OPERATOR, 'default', record.id);
  assert.deepEqual(await codeOf(path, elsewhere), [401, 'AUTH_TOKEN_INVALID']);
});

test('without a key there is no link to make, and no other tenant’s session to read', async () => {
  const { session } = speaking();
  const made = await fetch(`${server.url}${BASE}/sessions/${session.id}/share`, { method: 'POST' });
  assert.equal(made.status, 403);
  const { session: foreign } = speaking('other');
  assert.deepEqual(await codeOf(`${foreign.id}/events`), [404, 'NOT_FOUND']);
  assert.deepEqual(await codeOf('missing/captions.vtt'), [404, 'NOT_FOUND']);
});

test('an ended session can be read for a minute', async () => {
  const { session, say } = speaking();
  await say();
  await session.close('finished');
  const events = await watch(`${session.id}/events`);
  await events.ended;
  assert.deepEqual(finals(parsed(events.text())), ['w0 w1']);
  server.clock.advance(60_000);
  assert.deepEqual(await codeOf(`${session.id}/events`), [404, 'NOT_FOUND']);
});
