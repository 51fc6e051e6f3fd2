import { z } from 'zod';
import { AUDIOPOD_BASE, audioPodLanguage } from '../../../signaling/dialects/audiopod.ts';
import { AUDIOPOD_STATUS } from '../../../signaling/dialects/audiopod-jobs.ts';
import { invalid } from '../../../signaling/dialects/fields.ts';
import { EarshotError, type ErrorDetail } from '../../core/errors.ts';
import type { Principal } from '../../core/principal.ts';
import type { JobRecord, JobRequest, JobSource } from '../../core/store/jobs.ts';
import { tightestAllowance } from '../allowance.ts';
import { audioPodRoute } from '../audiopod-route.ts';
import { requirePermission } from '../permissions.ts';
import { file, type Routes } from '../route-schema.ts';
import type { HttpServices } from '../services.ts';
import { discard, MAX_ENVELOPE_BYTES, readForm, stored, type UploadedFile } from '../upload.ts';
import { parse } from '../validation.ts';

/** What JSON has as it is, forms have as text. */
const yesNo = z.union([z.boolean(), z.enum(['true', 'false', '']).transform((text) => text === 'true')]).optional();

const options = {
  language: z.string().nullish().describe('A language code; absent or `auto`: whatever is spoken.'),
  model_type: z.string().max(100).optional().describe('`premium-diarized` asks for speakers; otherwise the server chooses the model.'),
  enable_speaker_diarization: yesNo,
  diarize: yesNo,
  display_name: z.string().max(500).optional(),
};
const submitted = z.looseObject({ id: z.number(), job_id: z.number(), status: z.string() });
const ERRORS = ['BUDGET_EXCEEDED', 'QUOTA_EXCEEDED', 'SESSION_CONFLICT', 'AUDIO_EMPTY', 'AUDIO_TOO_LARGE', 'AUTH_INSUFFICIENT_SCOPE'] as const;

const FROM_URL = audioPodRoute('scaiecho:transcribe', {
  summary: 'Transcribe a recording at an address, as AudioPod does',
  body: z.looseObject({ ...options, source_urls: z.array(z.string().max(4096)).min(1).max(1, 'one address a job: this server makes no job of several') }),
  response: { 200: submitted },
  errors: ERRORS,
});
const FROM_FILE = audioPodRoute('scaiecho:transcribe', {
  summary: 'Transcribe an uploaded recording, as AudioPod does',
  form: z.object({ ...options, files: file('The recording; also as `file`. One a job.') }),
  response: { 200: submitted },
  errors: ERRORS,
});

/** Recordings become jobs, which are answered at once and polled. */
export function audioPodSubmitRoutes(app: Routes, services: HttpServices): void {
  const { jobs, blobs, maxInlineBytes, maxUploadBytes } = services;

  app.post(`${AUDIOPOD_BASE}/transcribe`, FROM_URL, async (request) => {
    const [url = ''] = request.body.source_urls;
    const refusal = jobs.addressRefusal(url);
    if (refusal !== undefined) throw invalid([{ field: 'source_urls', message: refusal }]);
    return submit(services, request.caller, request.body, () => Promise.resolve({ kind: 'url', url }));
  });

  app.post(`${AUDIOPOD_BASE}/transcribe-upload`, { ...FROM_FILE, bodyLimit: maxUploadBytes + MAX_ENVELOPE_BYTES }, async (request) => {
    if (!request.isMultipart()) throw invalid([{ field: 'files', message: 'multipart/form-data with the recording' }]);
    await jobs.checkRoom(request.caller);
    const upload = await readForm(request, blobs, { maxHeldBytes: maxInlineBytes, maxUploadBytes, names: ['files', 'file'] });
    try {
      const recording = notEmpty(upload.file);
      const fields = parse(z.object(options), Object.fromEntries(upload.fields));
      return await submit(services, request.caller, fields, async () => {
        const { blob, size } = await stored(recording, blobs);
        return { kind: 'upload', blob, bytes: size };
      });
    } catch (error) {
      await discard(upload.file, blobs);
      throw error;
    }
  });
}

function notEmpty(upload: UploadedFile | undefined): UploadedFile {
  if (!upload) throw invalid([{ field: 'files', message: 'required: the recording' }]);
  if (upload.kind === 'held' && upload.bytes.length === 0) throw new EarshotError('AUDIO_EMPTY', 'The file is empty.');
  return upload;
}

type Fields = z.output<z.ZodObject<typeof options>>;
type Recording = Exclude<JobSource, { readonly kind: 'live' }>;

/** Asks for the recording last, so that nothing is stored for a job that is refused: with `BUDGET_EXCEEDED` too, where nothing is left. */
async function submit(services: HttpServices, caller: Principal, fields: Fields, recording: () => Promise<Recording>): Promise<object> {
  const request = jobRequest(caller, fields);
  const allowance = await tightestAllowance(services, caller);
  if (allowance?.leftSamples === 0) throw new EarshotError('BUDGET_EXCEEDED', 'The budget for this period is used up.');
  const job = await services.jobs.submit(caller, await recording(), request);
  const [number = 0] = await services.jobs.numbers(caller.tenantId, [job.id]);
  return submission(job, number);
}

function jobRequest(caller: Principal, fields: Fields): JobRequest {
  const details: ErrorDetail[] = [];
  const language = audioPodLanguage(fields.language, details);
  if (details.length > 0) throw invalid(details);
  const diarize = fields.enable_speaker_diarization === true || fields.diarize === true || fields.model_type === 'premium-diarized';
  if (diarize) requirePermission(caller, 'scaiecho:diarize');
  const { model_type: modelType, display_name: displayName } = fields;
  return {
    dialect: 'audiopod',
    ...(language !== undefined && { language }),
    ...(diarize && { diarize }),
    extra: { ...(modelType !== undefined && { model_type: modelType }), ...(displayName !== undefined && { display_name: displayName }) },
  };
}

function submission({ source, status }: JobRecord, number: number): object {
  return {
    id: number,
    job_id: number,
    task_id: String(number),
    status: AUDIOPOD_STATUS[status],
    message: 'The recording waits to be transcribed.',
    // Of audio that nobody has read yet.
    estimated_credits: null,
    estimated_duration: null,
    source_urls: source.kind === 'url' ? [source.url] : [],
  };
}
