import assert from 'node:assert/strict';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { httpError } from '../envelope.ts';
import { errorCodesOf } from '../openapi.ts';

/** Holds every JSON answer against what its route is documented to answer; one that differs is thrown, and so becomes a fault of the server. */
export function demandTruthfulAnswers(app: FastifyInstance): void {
  // Whatever shape the answer gives it.
  const failed = new WeakMap<FastifyRequest, string>();
  app.addHook('onError', async (request, _reply, error) => {
    failed.set(request, httpError(error).code);
  });
  app.addHook('preSerialization', async (request, reply, payload) => {
    if (request.is404) return payload;
    const { schema = {}, config } = request.routeOptions;
    // The files of the page are no part of the document.
    if (config.permission === undefined) return payload;
    const code = failed.get(request);
    if (code !== undefined) {
      const documented: readonly string[] = errorCodesOf(request.method, config.permission, schema);
      assert.ok(documented.includes(code), `${request.method} ${request.url} does not say that it can answer ${code}`);
      return payload;
    }
    const documented = (schema.response as Readonly<Record<string, z.ZodType>> | undefined)?.[reply.statusCode];
    assert.ok(documented, `${request.method} ${request.url} does not say that it can answer ${String(reply.statusCode)}`);
    const { success, error: differences } = documented.safeParse(payload);
    assert.ok(success, `${request.method} ${request.url} does not answer what it says: ${z.prettifyError(differences ?? new z.ZodError([]))}`);
    return payload;
  });
}
