import type { FastifyError, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import { z } from 'zod';
import { authorization } from '../../../signaling/dialects/fields.ts';
import { gladiaError } from '../../../signaling/dialects/gladia-results.ts';
import type { EarshotError } from '../../core/errors.ts';
import type { KeyedRequest } from '../credentials.ts';
import { httpError } from '../envelope.ts';
import { route } from '../route-schema.ts';
import type { HttpServices } from '../services.ts';

export const GLADIA_TAG = 'Gladia';

const errorSchema = z
  .object({ timestamp: z.iso.datetime(), path: z.string(), request_id: z.string(), statusCode: z.number(), message: z.string(), validation_errors: z.array(z.string()).optional() })
  .describe('An error as Gladia tells it.');
export const FAILURES = { 400: errorSchema, 401: errorSchema, 403: errorSchema, 404: errorSchema, 413: errorSchema, 429: errorSchema, 500: errorSchema, 502: errorSchema, 503: errorSchema, 504: errorSchema };

export const jobParams = z.object({ id: z.string() });

/** A route whose key comes and whose errors go the vendor's way. */
export function gladiaRoute<const T extends FastifySchema & { readonly summary: string }>(services: HttpServices, schema: T) {
  const { config, ...rest } = route('scaiecho:transcribe', { tag: GLADIA_TAG, ...schema });
  return {
    ...rest,
    config: { ...config, credential: ({ headers }: Pick<KeyedRequest, 'headers'>) => [headers['x-gladia-key']].flat()[0] ?? authorization(headers, 'Bearer') },
    errorHandler: (thrown: FastifyError | EarshotError, request: FastifyRequest, reply: FastifyReply) => {
      const error = httpError(thrown);
      if (error.rule.httpStatus >= 500) services.log.error({ requestId: request.id, code: error.code, err: error.cause ?? error }, 'request failed');
      const { status, headers, body } = gladiaError(error, `G-${request.id.slice(4, 12)}`, request.url.split('?')[0] ?? request.url);
      return reply.status(status).headers(headers).send(body);
    },
  };
}
