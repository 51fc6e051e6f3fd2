import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fastify from 'fastify';
import { z } from 'zod';
import { ERRORS } from '../core/errors.ts';
import type { OpenApiDocument } from './openapi.ts';
import { guardRoutes } from './permissions.ts';
import type { HttpServices } from './services.ts';
import { BASE, startServer } from './testing/server.ts';

const server = await startServer();
after(() => server.close());
const { app } = server;
const document = (await (await fetch(`${server.url}/openapi.json`)).json()) as OpenApiDocument;
const operation = (method: string, path: string): Record<string, unknown> => document.paths[path]?.[method] ?? assert.fail(`${method} ${path}`);

test('every route that is served is described, and every described one is served', async () => {
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, { summary, tags }] of Object.entries(operations)) {
      assert.ok(typeof summary === 'string' && summary.length > 5, path);
      assert.ok((tags as string[]).length === 1, path);
      if (operations[method]?.['x-websocket'] === true) continue;
      assert.ok(app.hasRoute({ method: method.toUpperCase(), url: path.replaceAll(/\{(\w+)\}/g, ':$1') }), path);
    }
  }
  const served = app.printRoutes({ includeHooks: false, commonPrefix: false });
  for (const path of ['transcribe', 'webrtc/sessions', 'healthz', 'metrics', 'openapi.json']) assert.match(served, new RegExp(path));
});

test('a route that does not say what it does cannot be registered', () => {
  const other = fastify();
  guardRoutes(other, {} as HttpServices);
  assert.throws(() => other.get('/x', { config: { permission: 'public' } }, () => ''), /does not say what it does/);
  assert.throws(() => other.get('/x', { schema: { summary: 'x' } }, () => ''), /does not say which permission/);
});

test('every error code of the table is described, and each route names its own', () => {
  const { schemas } = document.components as { schemas: { ErrorCode: { enum: string[] } } };
  assert.deepEqual(schemas.ErrorCode.enum, Object.keys(ERRORS));
  for (const code of Object.keys(ERRORS)) assert.ok(String(document.info['description']).includes(`\`${code}\``), code);
  const { responses } = operation('post', `${BASE}/transcribe`) as { responses: Record<string, { 'x-codes'?: string[] }> };
  assert.deepEqual(responses['413']?.['x-codes'], ['AUDIO_TOO_LARGE', 'MESSAGE_TOO_LARGE']);
  assert.ok(responses['401']?.['x-codes']?.includes('AUTH_TOKEN_INVALID'));
  const health = operation('get', '/healthz') as { responses: object; security: unknown[] };
  assert.deepEqual([Object.keys(health.responses), health.security], [['200', '500'], []]);
});

test('what is described is what validates', async () => {
  const path = `${BASE}/webrtc/sessions/{id}/offer`;
  const { requestBody } = operation('post', path) as { requestBody: { content: Record<string, { schema: z.core.JSONSchema.JSONSchema }> } };
  const described = z.fromJSONSchema(requestBody.content['application/json']?.schema ?? {});
  for (const body of [{ type: 'offer', sdp: 'x' }, { type: 'offer', sdp: '' }, { type: 'answer', sdp: 'x' }, { type: 'offer' }, { type: 'offer', sdp: 'x'.repeat(128 * 1024 + 1) }]) {
    const answer = await app.inject({ method: 'POST', url: path.replace('{id}', 'none'), headers: { host: 'localhost' }, payload: body });
    assert.equal(answer.statusCode, described.safeParse(body).success ? 404 : 422, answer.payload);
  }
});

test('parameters of path and query, permissions and WebSockets are there', () => {
  const { parameters } = operation('post', `${BASE}/transcribe`) as { parameters: { name: string; in: string; required: boolean }[] };
  assert.deepEqual(parameters.map(({ name, in: place, required }) => [name, place, required]), [['format', 'query', false], ['speakers', 'query', false], ['paragraphs', 'query', false]]);
  const control = operation('get', `${BASE}/webrtc/sessions/{id}/control`);
  assert.deepEqual((control['parameters'] as { name: string }[]).map(({ name }) => name), ['id', 'after_seq']);
  assert.deepEqual([control['x-websocket'], control['x-permission'], Object.keys(control['responses'] as object)[0]], [true, 'scaiecho:transcribe', '101']);
  const gladia = operation('get', '/v2/live') as { parameters: { name: string }[]; responses: object; description: string };
  assert.deepEqual([operation('get', '/v2/live')['x-websocket'], gladia.parameters.at(-1)?.name, Object.keys(gladia.responses).slice(0, 2)], ['also', 'token', ['101', '200']]);
  assert.match(gladia.description, /stop_recording.*post_final_transcript/s);
  const names = Object.values(document.paths).flatMap((operations) => Object.values(operations).map(({ operationId }) => operationId));
  assert.equal(new Set(names).size, names.length);
});

test('the page to read has every route, and nothing of it is markup that was not meant', async () => {
  const answer = await fetch(`${server.url}/docs`);
  const page = await answer.text();
  assert.match(answer.headers.get('content-type') ?? '', /^text\/html/);
  assert.match(answer.headers.get('content-security-policy') ?? '', /default-src 'none'/);
  for (const path of Object.keys(document.paths)) assert.ok(page.includes(`<code>${path}</code>`), path);
  assert.doesNotMatch(page, /<script/);
});
