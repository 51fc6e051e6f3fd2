import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { answerMcp } from '../../mcp/server.ts';
import type { HearFile } from '../../mcp/tool.ts';
import { jobJson } from '../job-json.ts';
import { recognizeRecording } from '../recognize-upload.ts';
import { noContent, route, type Routes } from '../route-schema.ts';
import type { HttpServices } from '../services.ts';
import { chunksOf, MAX_ENVELOPE_BYTES } from '../upload.ts';

const message = z.looseObject({ jsonrpc: z.literal('2.0') });
const notAllowed = z.object({ jsonrpc: z.literal('2.0'), error: z.object({ code: z.number(), message: z.string() }), id: z.null() });

const TAG = 'Model Context Protocol';
const POST = route('any', {
  tag: TAG,
  summary: 'One message of the Model Context Protocol (streamable HTTP, without sessions)',
  description: 'A key sees the tools that its permissions allow. What goes wrong in a tool is told in its result.',
  body: z.union([message, z.array(message).max(100)]),
  response: { 200: message, 202: noContent, 400: message.describe('What was sent is no message of the protocol.'), 406: message.describe('The client does not take event streams.') },
  texts: ['text/event-stream'],
});
const NOT_OFFERED = route('any', { tag: TAG, summary: 'Not offered: there are no protocol sessions', response: { 405: notAllowed } });

/** The tools for assistants. Files come as base64, four bytes for three. */
export function mcpRoutes(app: Routes, services: HttpServices): void {
  const hear: HearFile = async (caller, file, wish, options) => {
    const { session, transcript } = await recognizeRecording(services, caller, { open: () => chunksOf(file) }, wish, options);
    return { session, transcript: await transcript };
  };
  const tools = { ...services, describe: jobJson, hear };

  app.post('/mcp', { ...POST, bodyLimit: Math.ceil((services.maxInlineBytes * 4) / 3) + MAX_ENVELOPE_BYTES }, async (request, reply) => {
    const { response, close } = await answerMcp(tools, request.caller, webRequest(request), request.body);
    reply.raw.once('close', () => void close());
    void reply.status(response.status as 200).headers(Object.fromEntries(response.headers));
    return reply.send(response.body ? Readable.fromWeb(response.body) : undefined);
  });

  app.get('/mcp', NOT_OFFERED, (_request, reply) => refuse(reply));
  app.delete('/mcp', NOT_OFFERED, (_request, reply) => refuse(reply));
}

function refuse(reply: FastifyReply): FastifyReply {
  return reply.status(405).header('allow', 'POST').send({ jsonrpc: '2.0', error: { code: -32000, message: 'Method not allowed.' }, id: null });
}

/** The head of the request; its body has been read. */
function webRequest({ method, url, headers }: FastifyRequest): Request {
  const flat = Object.entries(headers).flatMap(([name, value]): [string, string][] => (value === undefined ? [] : [[name, [value].flat().join(', ')]]));
  return new Request(new URL(url, 'http://localhost'), { method, headers: flat });
}
