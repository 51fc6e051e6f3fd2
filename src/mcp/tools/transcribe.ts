import { z } from 'zod';
import { invalid } from '../../../signaling/dialects/fields.ts';
import { EarshotError } from '../../core/errors.ts';
import { transcriptText } from '../../core/session/transcribe.ts';
import { tool } from '../tool.ts';
import { formatField, writtenAs } from '../transcript-format.ts';

export const transcribeTool = tool({
  name: 'transcribe',
  title: 'Transcribe a recording',
  description:
    'Turns a recording of speech into text. Give either `audio` (the file as base64), answered with the transcript, or `url` (a public address), answered with a job_id: ask get_job for the transcript.',
  permission: 'scaiecho:transcribe',
  isReadOnly: false,
  input: z.object({
    audio: z.string().optional().describe('The file as base64 or data URL: WAV, MP3, FLAC, Ogg, M4A/MP4 or WebM.'),
    url: z.string().max(2000).optional().describe('http or https address of the file.'),
    language: z.string().regex(/^[a-zA-Z]{2}$/).optional().describe('Language that is spoken, ISO 639-1, if it is known.'),
    model: z.string().max(200).optional().describe('Name of an installed model; default the best fitting.'),
    backend_preference: z.enum(['any', 'prefer_self_hosted', 'prefer_relay']).default('any').describe('A wish: the policy of the tenant has the last word.'),
    diarize: z.boolean().default(false).describe('Tell speakers apart by their voices.'),
    format: formatField,
  }),
  run: async ({ audio, url, language, model, backend_preference: backendPreference, diarize, format }, { services, caller, signal, progress }) => {
    if ((audio === undefined) === (url === undefined)) throw invalid([{ field: 'audio', message: 'either audio or url' }]);
    if (diarize && !caller.permissions.has('scaiecho:diarize')) throw new EarshotError('AUTH_INSUFFICIENT_SCOPE', 'diarize needs the permission scaiecho:diarize.');
    const wanted = { backendPreference, ...(language !== undefined && { language: language.toLowerCase() }), ...(model !== undefined && { model }), ...(diarize && { diarize }) };
    if (url !== undefined) {
      const refusal = services.jobs.addressRefusal(url);
      if (refusal !== undefined) throw invalid([{ field: 'url', message: refusal }]);
      const job = await services.jobs.submit(caller, { kind: 'url', url }, wanted);
      return { data: { job_id: job.id, status: job.status } };
    }
    const file = Buffer.from((audio ?? '').replace(/^data:[^,]*,/, ''), 'base64');
    if (file.length === 0) throw new EarshotError('AUDIO_EMPTY', 'There are no bytes in `audio`.');
    const { session, transcript } = await services.hear(caller, file, { ...wanted, transport: 'mcp', priority: 'batch' }, { signal, progress });
    const data = {
      job_id: session.jobId ?? null,
      transcript: transcriptText(transcript),
      backend_used: transcript.backend,
      language_detected: transcript.language ?? null,
      audio_duration_ms: Math.round(transcript.durationMs),
    };
    return { data, text: writtenAs(transcript, format) };
  },
});
