import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { PULSE } from '../../../signaling/dialects/pulse.ts';
import { pulseRecording, type PulseRecordingOptions, pulseRecordingOptions } from '../../../signaling/dialects/pulse-recording.ts';
import { contentExpiry, pulseError } from '../../../signaling/dialects/pulse-results.ts';
import { authorization } from '../../../signaling/dialects/fields.ts';
import { EarshotError } from '../../core/errors.ts';
import type { DescribeJob } from '../../jobs/job-description.ts';
import type { ReadSecret } from '../credentials.ts';
import { recognizeUpload } from '../recognize-upload.ts';
import { RECOGNITION_ERRORS, route, type Routes, SESSION_ERRORS } from '../route-schema.ts';
import type { HttpServices } from '../services.ts';
import { checkAddress, queryOf, queueRecording, recordingOf, refusals, sentAudio, withStreamedBodies } from '../streamed-recordings.ts';

const refusal = z.object({ error: z.string(), message: z.string(), request_id: z.string() });
const recording = z.looseObject({ status: z.literal('success'), transcription: z.string(), words: z.array(z.unknown()), request_id: z.string() });
const accepted = z.object({ status: z.literal('processing'), request_id: z.string() });

const SCHEMA = {
  tag: 'Other protocols',
  summary: 'Transcribe a recording as clients of pulse do',
  description: 'Parameters are in the query: docs/dialects/pulse.md. With `webhook_url` the answer is a `request_id`, and the result goes there.',
  recording: true,
  response: { 200: z.union([recording, accepted]), ...refusals(refusal) },
  errors: [...SESSION_ERRORS, ...RECOGNITION_ERRORS, 'QUOTA_EXCEEDED', 'URL_NOT_ALLOWED', 'URL_NOT_FOUND', 'URL_UNREACHABLE'],
} as const;
const TRANSCRIBE = route('scaiecho:transcribe', SCHEMA);
const TRANSCRIBE_BY_PATH = route('scaiecho:transcribe', { ...SCHEMA, params: z.object({ model: z.string() }) });

const credential: ReadSecret = ({ headers, query }) => authorization(headers, 'Bearer') ?? query.get('token') ?? query.get('api_key') ?? undefined;
const theirs = <T extends { readonly config: object }>(options: T) => ({ ...options, config: { ...options.config, credential, refuse: pulseError } });

/** Pulse's recorded half. The sockets of the older paths are at the same addresses. */
export async function pulseRoutes(app: Routes, services: HttpServices): Promise<void> {
  await withStreamedBodies(app, (scope) => {
    const withModel = (model: string | undefined) => (request: FastifyRequest, reply: FastifyReply) => answer(services, request, reply, model);
    scope.post('/waves/v1/stt', theirs(TRANSCRIBE), withModel(undefined));
    scope.post('/waves/v1/pulse/get_text', theirs(TRANSCRIBE), withModel('pulse'));
    scope.post('/api/v1/:model/get_text', theirs(TRANSCRIBE_BY_PATH), (request, reply) =>
      answer(services, request, reply, request.params.model),
    );
  });
}

async function answer(services: HttpServices, request: FastifyRequest, reply: FastifyReply, model: string | undefined): Promise<FastifyReply> {
  const query = queryOf(request);
  const options = pulseRecordingOptions(query, model);
  const audio = sentAudio(services, request);
  void reply.headers(contentExpiry(request.headers));
  const wish = wishOf(options);
  if (options.webhook !== undefined) {
    checkAddress(services, 'webhook_url', options.webhook);
    const extra = { query: query.toString(), model: model ?? query.get('model') };
    const job = await queueRecording(services, request, audio, { ...wish, format: FORMAT, callbackUrl: options.webhook, dialect: PULSE.id, extra });
    return reply.send({ status: 'processing', request_id: job.id });
  }
  const startedAtMs = services.now();
  const { transcript: whole, bytes } = await recognizeUpload(services, request, recordingOf(services, audio, FORMAT), { ...wish, transport: 'http', priority: 'batch' });
  const transcript = await whole;
  return reply.send(pulseRecording(transcript, options, { id: request.id, audioBytes: bytes.count, tookMs: services.now() - startedAtMs }));
}

/** One text for all channels. */
const FORMAT = { container: 'auto', mixdown: true } as const;

/** What the webhook of a job is told. */
export const describePulseJob: DescribeJob = (job, transcript) => {
  const { query, model } = job.request.extra ?? {};
  const options = pulseRecordingOptions(new URLSearchParams(typeof query === 'string' ? query : ''), typeof model === 'string' ? model : undefined);
  const id = job.id;
  if (transcript) return pulseRecording(transcript, options, { id, audioBytes: job.audioBytes ?? 0 });
  const { body } = pulseError(new EarshotError(job.error?.code ?? 'INTERNAL', job.error?.message ?? 'The job did not end well.'), id);
  return { status: 'error', ...body, ...(options.extra && { extra: options.extra }) };
};

function wishOf({ language, diarize, text }: PulseRecordingOptions) {
  return { ...(language !== undefined && { language }), ...(diarize && { diarize }), ...(text && { text }) };
}
