import type { FastifySchema } from 'fastify';
import { z } from 'zod';
import { ERRORS, type ErrorCode } from '../core/errors.ts';
import type { ListedRoute, RoutePermission } from './permissions.ts';
import type { SocketRoute } from './upgrades.ts';

type Json = Readonly<Record<string, unknown>>;
type ObjectSchema = Json & { readonly properties?: Record<string, Json>; readonly required?: readonly string[] };

/** An OpenAPI 3.1 document; its schemas are JSON Schema 2020-12. */
export interface OpenApiDocument {
  readonly openapi: '3.1.0';
  readonly info: Json;
  readonly tags: readonly Json[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Json>>>>;
  readonly components: Json;
}

const ANY_SECRET = [{ bearer: [] }, { token: [] }];
const NO_SECRET: never[] = [];

/** Describes the server by what its routes are registered with: what validates is what is written here. */
export function openApiDocument(routes: readonly ListedRoute[], sockets: readonly SocketRoute[]): OpenApiDocument {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) (paths[templateOf(route.path)] ??= {})[route.method.toLowerCase()] = httpOperation(route);
  for (const socket of sockets) {
    const operations = (paths[templateOf(socket.path)] ??= {});
    operations['get'] = operations['get'] ? withSocket(operations['get'], socket) : socketOperation(socket);
  }
  const tags = new Set(Object.values(paths).flatMap((operations) => Object.values(operations).flatMap((operation) => operation['tags'] as string[])));
  return {
    openapi: '3.1.0',
    info: { title: 'Earshot', version: '1', license: { name: 'MIT', identifier: 'MIT' }, description: DESCRIPTION },
    tags: [...tags].map((name) => ({ name })),
    paths,
    components: COMPONENTS,
  };
}

/** Every code that a route can answer with: its own, and what all of its kind have. */
export function errorCodesOf(method: string, permission: RoutePermission, schema: FastifySchema): ErrorCode[] {
  const codes = new Set<ErrorCode>(schema.errors ?? []);
  const add = (...more: ErrorCode[]): void => more.forEach((code) => codes.add(code));
  if (permission !== 'public') add('AUTH_TOKEN_MISSING', 'AUTH_TOKEN_INVALID', 'SESSION_EXPIRED', 'RATE_LIMITED');
  if (permission !== 'public') add('AUTH_INSUFFICIENT_SCOPE');
  // A body is read, and may be refused, where none was asked for too.
  const hasBody = !['GET', 'HEAD', 'SOCKET'].includes(method);
  if (hasBody || schema.querystring !== undefined || schema.params !== undefined) add('VALIDATION_ERROR');
  if (hasBody) add('MESSAGE_MALFORMED', 'MESSAGE_TOO_LARGE', 'MEDIA_TYPE_UNSUPPORTED');
  if (schema.params !== undefined) add('NOT_FOUND');
  add('INTERNAL');
  return [...codes].sort();
}

function httpOperation({ method, path, permission, schema }: ListedRoute): Json {
  return {
    ...headOf(method, path, permission, schema),
    ...(schema.body !== undefined && { requestBody: jsonBody(schema.body as z.ZodType) }),
    ...(schema.recording === true && { requestBody: RECORDING }),
    ...(schema.form !== undefined && { requestBody: { required: true, content: { 'multipart/form-data': { schema: jsonSchema(schema.form, 'input') } } } }),
    // A route that refuses in a shape of its own says so in its schema.
    responses: { ...failures(errorCodesOf(method, permission, schema)), ...successes(schema) },
  };
}

function socketOperation({ path, permission, schema }: SocketRoute): Json {
  return {
    ...headOf('SOCKET', path, permission, schema),
    'x-websocket': true,
    responses: { 101: { description: 'The connection is a WebSocket from here on.' }, ...failures(errorCodesOf('SOCKET', permission, schema)) },
  };
}

/** A path that is read with GET and upgraded too, by whether the client asks for an upgrade: one operation for both. */
function withSocket(operation: Json, socket: SocketRoute): Json {
  const { summary, description, parameters = [], responses } = socketOperation(socket) as { summary: string; description: string; parameters?: Json[]; responses: Json };
  const known = (operation['parameters'] ?? []) as Json[];
  const more = parameters.filter(({ name }) => !known.some((each) => each['name'] === name)).map((each) => ({ ...each, required: false }));
  return {
    ...operation,
    'x-websocket': 'also',
    description: `${String(operation['description'])}\n\n**As a WebSocket: ${summary}.** ${description}`,
    parameters: [...known, ...more],
    responses: { ...responses, ...(operation['responses'] as Json) },
  };
}

function headOf(method: string, path: string, permission: RoutePermission, schema: FastifySchema): Json {
  const needs = { public: 'Needs no key.', any: 'Needs a key.', view: 'Needs the permission `scaiecho:transcribe`, or the share token of the session.' }[permission as string] ?? `Needs the permission \`${permission}\`.`;
  const parameters = [...parametersOf('path', schema.params ?? paramsOf(path)), ...parametersOf('query', schema.querystring)];
  return {
    operationId: `${method.toLowerCase()}${path.replaceAll(/[^a-zA-Z0-9]+(.)?/g, (_all, next: string | undefined) => next?.toUpperCase() ?? '')}`,
    summary: schema.summary,
    description: [schema.description, needs].filter((part) => part !== undefined).join('\n\n'),
    tags: [schema.tag ?? 'Other'],
    security: permission === 'public' ? NO_SECRET : ANY_SECRET,
    'x-permission': permission,
    ...(parameters.length > 0 && { parameters }),
  };
}

/** The named parts of a path that says nothing more of them. */
function paramsOf(path: string): z.ZodType {
  return z.object(Object.fromEntries([...path.matchAll(/:(\w+)/g)].map(([, name]) => [name, z.string()])));
}

function parametersOf(place: 'path' | 'query', schema: unknown): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = jsonSchema(schema as z.ZodType, 'input');
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(description !== undefined && { description }),
    schema: rest,
  }));
}

function jsonBody(schema: z.ZodType): Json {
  return { required: !schema.safeParse(undefined).success, content: { 'application/json': { schema: jsonSchema(schema, 'input') } } };
}

function successes(schema: FastifySchema): Json {
  const responses = (schema.response ?? {}) as Readonly<Record<string, z.ZodType>>;
  const texts = Object.fromEntries((schema.texts ?? []).map((mediaType) => [mediaType, { schema: { type: 'string' } }]));
  return Object.fromEntries(
    Object.entries(responses).map(([status, body]) => {
      const description = body.description ?? (status === '204' ? 'Done.' : 'As asked.');
      if (body instanceof z.ZodUndefined) return [status, { description }];
      return [status, { description, content: { ...(!(body instanceof z.ZodString) && { 'application/json': { schema: jsonSchema(body, 'output') } }), ...texts } }];
    }),
  );
}

function failures(codes: readonly ErrorCode[]): Json {
  const byStatus = Map.groupBy(codes, (code) => String(ERRORS[code].httpStatus));
  return Object.fromEntries(
    [...byStatus].map(([status, those]) => [
      status,
      {
        description: those.map((code) => `\`${code}\`: ${ERRORS[code].meaning}`).join('\n\n'),
        'x-codes': those,
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    ]),
  );
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): ObjectSchema {
  // The document says once which dialect of JSON Schema it speaks.
  return { ...z.toJSONSchema(schema, { io, unrepresentable: 'any' }), $schema: undefined } as ObjectSchema;
}

/** The body of routes that take a recording as it is, or the address of one. */
const RECORDING: Json = {
  required: true,
  content: {
    'application/octet-stream': { schema: { type: 'string', format: 'binary' } },
    'application/json': { schema: { type: 'object', required: ['url'], properties: { url: { type: 'string', format: 'uri' } } } },
  },
};

const templateOf = (path: string): string => path.replaceAll(/:(\w+)/g, '{$1}');

const DESCRIPTION = `Live and recorded speech to text. docs/protocol.md tells what this document cannot: what goes over the WebSockets.

A WebSocket route is listed as \`GET\` with the answer 101 and \`x-websocket\`. A refused upgrade has the same body as any refused request; after the
upgrade an error is a frame \`{"type":"error","code":...}\` and a close code.

| code | HTTP | WebSocket | try again | |
|---|---|---|---|---|
${Object.entries(ERRORS).map(([code, rule]) => `| \`${code}\` | ${String(rule.httpStatus)} | ${String(rule.closeCode)} | ${rule.retryable ? 'yes' : 'no'} | ${rule.meaning} |`).join('\n')}
`;

const COMPONENTS: Json = {
  securitySchemes: {
    bearer: { type: 'http', scheme: 'bearer', description: 'An API key (`sgk_...`) or a token made from one.' },
    token: { type: 'apiKey', in: 'query', name: 'token', description: 'The same in the query, for browsers’ WebSockets.' },
  },
  schemas: {
    Error: {
      type: 'object',
      required: ['status', 'error', 'meta'],
      properties: {
        status: { const: 'error' },
        error: {
          type: 'object',
          required: ['code', 'message', 'retry_after'],
          properties: {
            code: { $ref: '#/components/schemas/ErrorCode' },
            message: { type: 'string', description: 'For people; may change.' },
            retry_after: { type: ['number', 'null'], description: 'Seconds after which a retry is worth it; also in the header `Retry-After`.' },
            details: { type: 'array', items: { type: 'object', required: ['field', 'message'], properties: { field: { type: 'string' }, message: { type: 'string' } } } },
          },
        },
        meta: { type: 'object', required: ['request_id'], properties: { request_id: { type: 'string' } } },
      },
    },
    ErrorCode: { type: 'string', enum: Object.keys(ERRORS) },
  },
};
