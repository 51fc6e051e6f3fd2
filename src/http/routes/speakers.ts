import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { invalid } from '../../../signaling/dialects/fields.ts';
import { EarshotError } from '../../core/errors.ts';
import type { SpeakerRecord } from '../../core/store/speakers.ts';
import type { EnrolmentRequest } from '../../speakers/enrolment.ts';
import { okBody } from '../envelope.ts';
import { answer, file, route, type Routes } from '../route-schema.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';

const MAX_ENVELOPE_BYTES = 64 * 1024;
const FILES = ['reference', 'consent'] as const;
const required = (max: number) => z.string({ error: 'required' }).trim().min(1, 'required').max(max);

const fieldsSchema = z.object({
  display_name: required(200).describe('How the speaker is called in transcripts.'),
  language_primary: z.string({ error: 'required' }).regex(/^[a-zA-Z]{2}$/, 'two letters of ISO 639-1').describe('Two letters of ISO 639-1.'),
  consent_user_full_name: required(200).describe('Who consents.'),
  consent_stated_purpose: required(2000).describe('To what.'),
  consent_text: required(8000).describe('In which words.'),
  description: z.string().max(2000).optional(),
  expires_at: z.iso
    .datetime({ offset: true })
    .refine((text) => !(Date.parse(text) <= Date.now()), 'in the future')
    .optional()
    .describe('When the speaker is erased by itself; default never.'),
});
const formSchema = fieldsSchema.extend({
  reference: file('The voice: 5 to 60 s of speech by one person, at 16 kHz or more.'),
  consent: file('The consent being spoken.'),
});

const speakerSchema = z.object({
  speaker_id: z.string(),
  display_name: z.string(),
  language_primary: z.string(),
  description: z.string().nullable(),
  status: z.enum(['pending', 'ready', 'failed', 'erased']),
  failure_reason: z.string().nullable(),
  consent: z.object({ consent_id: z.string(), user_full_name: z.string(), stated_purpose: z.string(), text: z.string(), recording_sha256: z.string(), recorded_at: z.string() }),
  created_at: z.string(),
  expires_at: z.string().nullable(),
  erased_at: z.string().nullable(),
});
const listQuery = z.object({ limit: z.coerce.number().int().min(1).max(200).default(50), after: z.string().max(500).optional().describe('`next` of the page before.') });
const speakerPath = z.object({ id: z.string() });

const ENROL = route('scaiecho:enroll', {
  tag: 'Speakers',
  summary: 'Enrol a speaker, with consent',
  form: formSchema,
  response: { 201: answer(speakerSchema) },
  errors: ['VALIDATION_ERROR', 'AUDIO_TOO_LARGE'],
});
const LIST = route('scaiecho:enroll', {
  tag: 'Speakers',
  summary: 'List the speakers',
  querystring: listQuery,
  response: { 200: answer(z.object({ speakers: z.array(speakerSchema), next: z.string().nullable() })) },
});
const READ = route('scaiecho:enroll', { tag: 'Speakers', summary: 'Read a speaker', params: speakerPath, response: { 200: answer(speakerSchema) }, errors: ['NOT_FOUND'] });
const ERASE = route('scaiecho:enroll', {
  tag: 'Speakers',
  summary: 'Erase a speaker: voiceprint and recordings',
  description: 'Answers with what is left: the receipt. Repeated, it answers the same.',
  params: speakerPath,
  response: { 200: answer(speakerSchema) },
  errors: ['NOT_FOUND'],
});

/** Enrolment with consent: who is `ready` is named in diarized transcripts. */
export function speakerRoutes(app: Routes, services: HttpServices): void {
  const { enrolment, audit } = services;
  const base = `${NATIVE_BASE}/speakers`;
  const note = (request: FastifyRequest, action: string, subject: string): Promise<void> =>
    audit.append({ tenantId: request.caller.tenantId, keyId: request.caller.keyId, atMs: Date.now(), action, subject, details: {} });

  app.post(base, { ...ENROL, bodyLimit: 2 * services.maxInlineBytes + MAX_ENVELOPE_BYTES }, async (request, reply) => {
    const form = await readForm(request, services.maxInlineBytes);
    const speaker = await enrolment.enrol({ tenantId: request.caller.tenantId, ...form });
    await note(request, 'speaker.enrol', speaker.id);
    return reply.status(201).header('location', `${base}/${speaker.id}`).send(okBody(speakerJson(speaker), request.id));
  });

  app.get(base, LIST, async (request) => {
    const { limit, after } = request.query;
    const page = await enrolment.list(request.caller.tenantId, { limit, ...(after !== undefined && { after }) });
    return okBody({ speakers: page.items.map(speakerJson), next: page.next ?? null }, request.id);
  });

  app.get(`${base}/:id`, READ, async (request) => okBody(speakerJson(await enrolment.get(request.caller.tenantId, request.params.id)), request.id));

  app.delete(`${base}/:id`, ERASE, async (request) => {
    const speaker = await enrolment.erase(request.caller.tenantId, request.params.id);
    await note(request, 'speaker.erase', speaker.id);
    return okBody(speakerJson(speaker), request.id);
  });
}

/** Every part that is missing or wrong is named at once. */
async function readForm(request: FastifyRequest, maxFileBytes: number): Promise<Omit<EnrolmentRequest, 'tenantId'>> {
  if (!request.isMultipart()) throw invalid([{ field: 'body', message: 'multipart/form-data' }]);
  const fields = new Map<string, unknown>();
  const files = new Map<string, Uint8Array>();
  try {
    for await (const part of request.parts({ limits: { files: FILES.length, fields: 32, fieldSize: 8 * 1024, fileSize: maxFileBytes } })) {
      if (part.type === 'field') {
        fields.set(part.fieldname, part.value);
      } else {
        const bytes = await part.toBuffer();
        if (part.file.truncated) throw new EarshotError('AUDIO_TOO_LARGE', `A recording is over ${String(maxFileBytes)} bytes.`);
        files.set(part.fieldname, bytes);
      }
    }
  } catch (error) {
    if (error instanceof EarshotError || (error as { readonly statusCode?: number }).statusCode !== undefined) throw error;
    throw new EarshotError('MESSAGE_MALFORMED', 'The form is incomplete or cannot be parsed.', { cause: error });
  }
  const parsed = fieldsSchema.safeParse(Object.fromEntries(fields));
  const missing = FILES.filter((name) => (files.get(name)?.length ?? 0) === 0).map((field) => ({ field, message: 'required: a recording' }));
  if (!parsed.success || missing.length > 0) {
    throw invalid([...(parsed.error?.issues ?? []).map(({ path, message }) => ({ field: path.join('.'), message })), ...missing]);
  }
  const { data } = parsed;
  return {
    displayName: data.display_name,
    languagePrimary: data.language_primary.toLowerCase(),
    description: data.description ?? null,
    consent: { userFullName: data.consent_user_full_name, statedPurpose: data.consent_stated_purpose, text: data.consent_text },
    expiresAtMs: data.expires_at === undefined ? null : Date.parse(data.expires_at),
    reference: files.get('reference')!,
    consentRecording: files.get('consent')!,
  };
}

const isoTime = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

function speakerJson(speaker: SpeakerRecord): z.output<typeof speakerSchema> {
  const { consent } = speaker;
  return {
    speaker_id: speaker.id,
    display_name: speaker.displayName,
    language_primary: speaker.languagePrimary,
    description: speaker.description,
    status: speaker.status,
    failure_reason: speaker.failureReason,
    consent: {
      consent_id: consent.id,
      user_full_name: consent.userFullName,
      stated_purpose: consent.statedPurpose,
      text: consent.text,
      recording_sha256: consent.recordingSha256,
      recorded_at: new Date(consent.recordedAtMs).toISOString(),
    },
    created_at: new Date(speaker.createdAtMs).toISOString(),
    expires_at: isoTime(speaker.expiresAtMs),
    erased_at: isoTime(speaker.erasedAtMs),
  };
}
