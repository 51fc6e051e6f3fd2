import type { FastifyBaseLogger, FastifyInstance, FastifySchema, FastifyTypeProvider, RawReplyDefaultExpression, RawRequestDefaultExpression, RawServerDefault } from 'fastify';
import { z } from 'zod';
import type { ErrorCode } from '../core/errors.ts';
import type { RoutePermission } from './permissions.ts';
import { parse } from './validation.ts';

/*
 * A route says in its `schema` what it takes and answers. `params`, `querystring` and `body` are zod schemas: fastify checks requests
 * with them, the handler's types follow from them, and /openapi.json is made of them. `response` is documentation, and the tests
 * check every answer against it.
 */
declare module 'fastify' {
  interface FastifySchema {
    /** What the route does, in one line. Every route has one, or cannot be registered. */
    summary?: string;
    /** More of it, in Markdown. */
    description?: string;
    /** Heading under which the route is listed. */
    tag?: string;
    /** Parts of a `multipart/form-data` body, which the handler reads and checks. A file is `file(...)`. */
    form?: z.ZodObject;
    /** The body is a recording of any media type, or JSON with the `url` of one; the handler reads it. */
    recording?: boolean;
    /** Other media types that the route answers with besides JSON. */
    texts?: readonly string[];
    /** What can go wrong besides what any route of this kind has ({@link import('./openapi.ts')} adds that). */
    errors?: readonly ErrorCode[];
  }
}

/** Handlers get their request in the types of its schemas. */
export interface ZodTypes extends FastifyTypeProvider {
  readonly validator: this['schema'] extends z.ZodType ? z.output<this['schema']> : unknown;
}

/** The server as routes are added to it: their schemas are zod's. */
export type Routes = FastifyInstance<RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, FastifyBaseLogger, ZodTypes>;

/** Makes fastify check requests with zod; what is wrong is a `VALIDATION_ERROR` that names the fields. */
export function withZod(app: FastifyInstance): Routes {
  app.setValidatorCompiler<z.ZodType>(({ schema }) => (value: unknown) => {
    try {
      return { value: parse<z.ZodType>(schema, value) };
    } catch (error) {
      return { error: error as Error };
    }
  });
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  return app.withTypeProvider<ZodTypes>();
}

/** The options of a route: who may ask, and what it takes and answers. */
export function route<const T extends FastifySchema & { readonly summary: string; readonly tag: string }>(permission: RoutePermission, schema: T) {
  return { config: { permission }, schema };
}

/** The envelope of what went well. */
export function answer<T extends z.ZodType>(data: T) {
  return z.object({ status: z.literal('ok'), data, meta: z.object({ request_id: z.string() }) });
}

/** An answer without a body. */
export const noContent = z.undefined();

/** A file in a form. */
export function file(description: string) {
  return z.unknown().meta({ description, type: 'string', format: 'binary' });
}

/** What opening a session can meet. */
export const SESSION_ERRORS = [
  'CAPACITY_EXCEEDED',
  'BACKEND_UNAVAILABLE',
  'BACKEND_RATE_LIMITED',
  'BUDGET_EXCEEDED',
  'AUTHZ_PERMISSION_DENIED',
  'AUTH_INSUFFICIENT_SCOPE',
  'MODEL_NOT_FOUND',
  'MODEL_UNAVAILABLE',
  'SERVER_STOPPING',
  'VALIDATION_ERROR',
] as const satisfies readonly ErrorCode[];

/** What can happen to the audio and its recognition until the last final. */
export const RECOGNITION_ERRORS = [
  'AUDIO_EMPTY',
  'AUDIO_MALFORMED',
  'AUDIO_TOO_LARGE',
  'AUDIO_TRUNCATED',
  'AUDIO_UNSUPPORTED',
  'BACKEND_ERROR',
  'BACKEND_RATE_LIMITED',
  'BACKEND_TIMEOUT',
  'SESSION_CONFLICT',
  'SESSION_IDLE',
  'SESSION_TOO_LONG',
  'UPSTREAM_SHAPE_MISMATCH',
] as const satisfies readonly ErrorCode[];
