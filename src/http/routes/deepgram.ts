import { z } from 'zod';
import { DEEPGRAM } from '../../../signaling/dialects/deepgram.ts';
import { notAnalysed } from '../../../signaling/dialects/deepgram-analysis.ts';
import { deepgramRecording, type DeepgramRecordingOptions, deepgramRecordingOptions } from '../../../signaling/dialects/deepgram-recording.ts';
import { deepgramError } from '../../../signaling/dialects/deepgram-results.ts';
import type { HttpRefusal } from '../../../signaling/dialects/dialect.ts';
import { authorization } from '../../../signaling/dialects/fields.ts';
import { EarshotError } from '../../core/errors.ts';
import type { DescribeJob } from '../../jobs/job-description.ts';
import { TOKEN_PERMISSIONS } from '../../tenancy/tokens.ts';
import type { ReadSecret } from '../credentials.ts';
import { recognizeUpload } from '../recognize-upload.ts';
import { RECOGNITION_ERRORS, route, type Routes, SESSION_ERRORS } from '../route-schema.ts';
import type { HttpServices } from '../services.ts';
import { bareId, checkAddress, queryOf, queueRecording, recordingOf, refusals, sentAudio, withStreamedBodies } from '../streamed-recordings.ts';

const TAG = 'Other protocols';
const DEFAULT_TTL_SECONDS = 30;
const MAX_TTL_SECONDS = 3600;

const refusal = z.object({ err_code: z.string(), err_msg: z.string(), request_id: z.string() });
const recording = z.object({ metadata: z.looseObject({ request_id: z.string() }), results: z.looseObject({ channels: z.array(z.unknown()) }) });
const accepted = z.object({ request_id: z.string() });

const LISTEN = route('scaiecho:transcribe', {
  tag: TAG,
  summary: 'Transcribe a recording as clients of deepgram do',
  description: 'Parameters are in the query: docs/dialects/deepgram.md. With `callback` the answer is a `request_id`, and the result goes there.',
  recording: true,
  response: { 200: z.union([recording, accepted]), ...refusals(refusal) },
  errors: [...SESSION_ERRORS, ...RECOGNITION_ERRORS, 'QUOTA_EXCEEDED', 'URL_NOT_ALLOWED', 'URL_NOT_FOUND', 'URL_UNREACHABLE'],
});
const GRANT = route('any', {
  tag: TAG,
  summary: 'Make a short-lived token from a key as clients of deepgram do',
  body: z.object({ ttl_seconds: z.number().min(1).max(MAX_TTL_SECONDS).default(DEFAULT_TTL_SECONDS) }).nullish(),
  response: { 200: z.object({ access_token: z.string(), expires_in: z.number() }), ...refusals(refusal) },
  errors: ['AUTHZ_PERMISSION_DENIED'],
});

const credential: ReadSecret = ({ headers }) => authorization(headers, 'Token', 'Bearer');
const refuse = (error: EarshotError, requestId: string): HttpRefusal => deepgramError(error, bareId(requestId));
const theirs = <T extends { readonly config: object }>(options: T) => ({ ...options, config: { ...options.config, credential, refuse } });

/** Deepgram's recorded half. The socket is at the same path. */
export async function deepgramRoutes(app: Routes, services: HttpServices): Promise<void> {
  await withStreamedBodies(app, (scope) => {
    scope.post('/v1/listen', theirs(LISTEN), async (request, reply) => {
      const query = queryOf(request);
      const options = deepgramRecordingOptions(query);
      const audio = sentAudio(services, request);
      const wish = wishOf(options);
      const { analysis } = options;
      const notEnabled = analysis && (await services.analyst.refusal(request.caller.tenantId));
      if (notEnabled) throw notAnalysed(analysis, notEnabled);
      if (options.callback !== undefined) {
        checkAddress(services, 'callback', options.callback);
        const job = await queueRecording(services, request, audio, { ...wish, ...(analysis && { analysis }), format: options.format, callbackUrl: options.callback, dialect: DEEPGRAM.id, extra: { query: query.toString() } });
        return reply.header('dg-request-id', bareId(job.id)).send({ request_id: bareId(job.id) });
      }
      const createdAtMs = services.now();
      const id = bareId(request.id);
      const { transcript: whole, bytes, laneCount } = await recognizeUpload(services, request, recordingOf(services, audio, options.format), { ...wish, transport: 'http', priority: 'batch' }, analysis);
      const transcript = await whole;
      return reply.header('dg-request-id', id).send(deepgramRecording(transcript, options, { id, sha256: bytes.sha256, createdAtMs, channels: laneCount }));
    });

    scope.post('/v1/auth/grant', theirs(GRANT), async (request) => {
      const { tenantId, keyId, token } = request.caller;
      if (token || !keyId.startsWith('key_')) throw new EarshotError('AUTHZ_PERMISSION_DENIED', 'A token is made from a key: send one.');
      const { keys, tokens } = services.tenancy;
      const key = await keys.byId(tenantId, keyId);
      const ttlSeconds = request.body?.ttl_seconds ?? DEFAULT_TTL_SECONDS;
      const permissions = TOKEN_PERMISSIONS.filter((permission) => permission !== 'scaiecho:enroll' && key.permissions.includes(permission));
      const minted = await tokens.mint(key, { permissions, ttlSeconds, maxSessions: null, maxSessionSeconds: null });
      return { access_token: minted.token, expires_in: ttlSeconds };
    });
  });
}

/** What the callback of a job is told. */
export const describeDeepgramJob: DescribeJob = (job, transcript) => {
  const id = bareId(job.id);
  if (!transcript) return deepgramError(new EarshotError(job.error?.code ?? 'INTERNAL', job.error?.message ?? 'The job did not end well.'), id).body;
  const { query, sha256 } = job.request.extra ?? {};
  const options = deepgramRecordingOptions(new URLSearchParams(typeof query === 'string' ? query : ''));
  const channels = options.multichannel ? 1 + Math.max(0, ...transcript.utterances.map(({ laneIndex }) => laneIndex)) : 1;
  return deepgramRecording(transcript, options, { id, sha256: typeof sha256 === 'string' ? sha256 : '', createdAtMs: job.createdAtMs, channels });
};

function wishOf({ language, diarize, text }: DeepgramRecordingOptions) {
  return { ...(language !== undefined && { language }), ...(diarize && { diarize }), ...(text && { text }) };
}
