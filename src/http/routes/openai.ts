import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { fileAnswer, FileAnswerStream, fileRequest, type FileRequest, TRANSLATED_INTO, translationRequest } from '../../../signaling/dialects/openai-files.ts';
import { openaiRefusal } from '../../../signaling/dialects/openai-error.ts';
import { invalid } from '../../../signaling/dialects/fields.ts';
import type { SessionWish } from '../../core/admission.ts';
import { EarshotError, toEarshotError } from '../../core/errors.ts';
import type { Principal } from '../../core/principal.ts';
import type { Transcript } from '../../core/session/transcribe.ts';
import { spokenAs } from '../../core/text-analysis.ts';
import { EXPORT_TYPES, exported } from '../export-query.ts';
import { type Recognition, recognizeUpload } from '../recognize-upload.ts';
import { file, RECOGNITION_ERRORS, route, type Routes, SESSION_ERRORS } from '../route-schema.ts';
import type { HttpServices } from '../services.ts';
import { chunksOf, discard, MAX_ENVELOPE_BYTES, readForm } from '../upload.ts';

const TAG = 'Other protocols';
/** Where OpenAI's clients knock by themselves, and where others put the same API. */
const BASES = ['/v1', '/oai/v1'] as const;
const FILE_BASES = [...BASES, '/api/v1'] as const;

const formSchema = z.object({
  file: file('WAV, MP3, FLAC, Ogg, M4A/MP4 or WebM, at most 8 channels. Its first bytes tell which.'),
  model: z.string().describe('A model of `GET /v1/models`; any other name means the best fitting one.'),
  language: z.string().optional().describe('ISO 639-1.'),
  prompt: z.string().optional().describe('Expected words: a list, or sentences of which names are taken.'),
  response_format: z.enum(['json', 'text', 'srt', 'vtt', 'verbose_json', 'diarized_json']).default('json').describe('`diarized_json` needs `scaiecho:diarize`.'),
  temperature: z.number().min(0).max(1).optional().describe('Without effect.'),
  'timestamp_granularities[]': z.array(z.enum(['word', 'segment'])).optional(),
  'include[]': z.array(z.literal('logprobs')).optional(),
  stream: z.boolean().default(false).describe('Answer with server-sent events; `whisper-1` answers whole.'),
  chunking_strategy: z.string().optional().describe('`auto`, or `server_vad` with `silence_duration_ms`.'),
});

const translationSchema = formSchema.pick({ file: true, model: true, temperature: true }).extend({
  prompt: z.string().optional().describe('Without effect.'),
  response_format: z.enum(['json', 'text', 'srt', 'vtt', 'verbose_json']).default('json'),
});

const answerSchema = z.looseObject({ text: z.string(), usage: z.object({ type: z.literal('duration'), seconds: z.number().int() }) });
const modelSchema = z.object({ id: z.string(), object: z.literal('model'), created: z.number().int(), owned_by: z.string() });

const TRANSCRIBE = route('scaiecho:transcribe', {
  tag: TAG,
  summary: 'Transcribe a recording as OpenAI’s clients ask for it',
  form: formSchema,
  response: { 200: answerSchema },
  texts: [...EXPORT_TYPES, 'text/event-stream'],
  errors: [...SESSION_ERRORS, ...RECOGNITION_ERRORS],
});
const TRANSLATE = route('scaiecho:transcribe', {
  tag: TAG,
  summary: 'Transcribe a recording into English, as OpenAI’s clients ask for it',
  description: 'By the operator’s language model: without one, `MODEL_NOT_FOUND`.',
  form: translationSchema,
  response: { 200: z.looseObject({ text: z.string() }) },
  texts: EXPORT_TYPES,
  errors: [...SESSION_ERRORS, ...RECOGNITION_ERRORS, 'MODEL_NOT_FOUND', 'AUTHZ_PERMISSION_DENIED', 'BACKEND_RATE_LIMITED', 'UPSTREAM_SHAPE_MISMATCH'],
});
const LIST_MODELS = route('scaiecho:transcribe', {
  tag: TAG,
  summary: 'List the models that the caller may use, for OpenAI’s clients',
  response: { 200: z.object({ object: z.literal('list'), data: z.array(modelSchema) }) },
});
const READ_MODEL = route('scaiecho:transcribe', {
  tag: TAG,
  summary: 'Read a model of that list',
  params: z.object({ model: z.string().max(200) }),
  response: { 200: modelSchema },
  errors: ['MODEL_NOT_FOUND'],
});

/** OpenAI's API of recordings: the same sessions, formats and limits as `POST transcribe`, in that vendor's words. */
export function openAiRoutes(app: Routes, services: HttpServices): void {
  const inTheirShape = <T extends { readonly config: object }>(options: T) => ({ ...options, config: { ...options.config, refuse: openaiRefusal } });

  for (const base of FILE_BASES) {
    const bodyLimit = services.maxOpenAiFileBytes + MAX_ENVELOPE_BYTES;
    app.post(`${base}/audio/transcriptions`, { ...inTheirShape(TRANSCRIBE), bodyLimit }, (request, reply) => answered(services, request, reply, fileRequest));
    app.post(`${base}/audio/translations`, { ...inTheirShape(TRANSLATE), bodyLimit }, async (request, reply) => {
      const refusal = await services.analyst.refusal(request.caller.tenantId);
      if (refusal?.code === 'FEATURE_NOT_ENABLED') throw new EarshotError('MODEL_NOT_FOUND', 'No model here translates; /v1/audio/transcriptions writes what is said, in its own language.');
      if (refusal) throw refusal;
      return answered(services, request, reply, translationRequest);
    });
  }

  for (const base of BASES) {
    app.get(`${base}/models`, inTheirShape(LIST_MODELS), async ({ caller }) => ({ object: 'list', data: await models(services, caller) }));
    app.get(`${base}/models/:model`, inTheirShape(READ_MODEL), async ({ caller, params }) => {
      const found = (await models(services, caller)).find(({ id }) => id === params.model);
      if (!found) throw new EarshotError('MODEL_NOT_FOUND', 'No such model.', { details: [{ field: 'model', message: 'one of GET /v1/models' }] });
      return found;
    });
  }
}

/** Reads the form, hears the recording, and answers as the form wants it. */
async function answered(services: HttpServices, request: FastifyRequest, reply: FastifyReply, read: (fields: URLSearchParams) => FileRequest): Promise<unknown> {
  if (!request.isMultipart()) throw invalid([{ field: 'file', message: 'multipart/form-data with a part named file' }]);
  const form = await readForm(request, services.blobs, { maxHeldBytes: services.maxInlineBytes, maxUploadBytes: services.maxOpenAiFileBytes });
  const upload = form.file;
  let recognition: Recognition | undefined;
  try {
    const wanted = read(form.fields);
    if (!upload) throw invalid([{ field: 'file', message: 'required' }]);
    const size = upload.kind === 'held' ? upload.bytes.length : upload.size;
    if (size === 0) throw new EarshotError('AUDIO_EMPTY', 'The file is empty.');
    const open = (): AsyncIterable<Uint8Array> => (upload.kind === 'held' ? chunksOf(upload.bytes) : services.blobs.read(upload.blob));
    const analysis = wanted.task === 'translate' ? { translation: { targets: [TRANSLATED_INTO] } } : undefined;
    recognition = await recognizeUpload(services, request, { open }, await wishOf(services, request.caller, wanted), analysis);
    if (wanted.stream) return await reply.type('text/event-stream').header('cache-control', 'no-cache').send(Readable.from(streamed(recognition, wanted)));
    const heard = await recognition.transcript;
    const transcript = wanted.task === 'translate' ? translated(heard) : heard;
    if (wanted.format === 'text' || wanted.format === 'srt' || wanted.format === 'vtt') {
      const { mediaType, text } = exported(transcript, { format: wanted.format, speakers: false, paragraphs: false });
      return await reply.type(mediaType).send(text);
    }
    return fileAnswer(wanted, transcript);
  } finally {
    // A streamed answer is still being heard.
    void (recognition?.transcript ?? Promise.resolve()).catch(() => undefined).then(() => discard(upload, services.blobs));
  }
}

/** The translation in the transcript's place. Throws what it failed of. */
function translated(heard: Transcript): Transcript {
  const found = heard.analysis?.translations?.[0]?.found;
  if (!found) throw new EarshotError('INTERNAL', 'There is no translation.');
  if (found.error) throw new EarshotError(found.error.code, found.error.message);
  return { ...heard, language: TRANSLATED_INTO, utterances: found.value.map(spokenAs) };
}

type Model = z.output<typeof modelSchema>;

async function models({ dispatcher }: HttpServices, { tenantId }: Principal): Promise<Model[]> {
  const offered = await dispatcher.models(tenantId);
  // Nobody knows when a model was made.
  return offered.map(({ model, backend }) => ({ id: model, object: 'model', created: 0, owned_by: backend }));
}

async function wishOf(services: HttpServices, caller: Principal, { model, wish }: FileRequest): Promise<SessionWish> {
  const isOurs = (await models(services, caller)).some(({ id }) => id === model);
  return { ...wish, transport: 'http', priority: 'batch', ...(isOurs && { model }) };
}

async function* streamed({ session, transcript }: Recognition, request: FileRequest): AsyncGenerator<string, void, void> {
  const stream = new FileAnswerStream(request);
  try {
    for await (const event of session.events()) {
      const text = stream.encode(event);
      if (text !== '') yield text;
    }
    yield stream.end(await transcript);
  } catch (error) {
    yield stream.fail(toEarshotError(error));
  } finally {
    await session.close('cancelled');
  }
}
