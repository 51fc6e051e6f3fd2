import { z } from 'zod';
import { samplesToSeconds } from '../../core/audio.ts';
import { EarshotError } from '../../core/errors.ts';
import type { Session } from '../../core/session/session.ts';
import { tool } from '../tool.ts';
import { formatField, writtenAs } from '../transcript-format.ts';

export const listLiveSessionsTool = tool({
  name: 'list_live_sessions',
  title: 'List live sessions',
  description: 'Lists what is being transcribed now: calls, microphones, streams and files. read_live_session reads what was said so far.',
  permission: 'scaiecho:transcribe',
  isReadOnly: true,
  input: z.object({}),
  run: (_input, { services, caller }) => Promise.resolve({ data: { sessions: services.sessions.ofTenant(caller.tenantId).map(summary) } }),
});

export const readLiveSessionTool = tool({
  name: 'read_live_session',
  title: 'Read a live session',
  description: 'Reads the transcript so far of a session that goes on, with what is being said right now. A session that has ended is a job: get_job.',
  permission: 'scaiecho:transcribe',
  isReadOnly: true,
  input: z.object({
    session_id: z.string().max(100).describe('Of list_live_sessions; the job_id of the session will do too.'),
    from_seconds: z.number().min(0).default(0).describe('Leave out what was said before.'),
    format: formatField,
  }),
  run: ({ session_id: id, from_seconds: fromSeconds, format }, { services, caller }) => {
    const session = services.sessions.ofTenant(caller.tenantId).find((each) => each.id === id || each.jobId === id);
    if (!session) throw new EarshotError('NOT_FOUND', 'No such session goes on. One that has ended is a job.');
    const { utterances, isWhole } = session.soFar();
    const wanted = utterances.filter(({ endSample }) => samplesToSeconds(endSample) > fromSeconds);
    const durationMs = samplesToSeconds(Math.max(0, ...utterances.map(({ endSample }) => endSample))) * 1000;
    const text = writtenAs({ utterances: wanted, backend: session.backend, durationMs }, format);
    return Promise.resolve({ data: { ...summary(session), is_whole: isWhole, transcript: wanted.map((utterance) => utterance.text).join(' ') }, text });
  },
});

function summary(session: Session): { readonly session_id: string } & Record<string, unknown> {
  const spokenSamples = Math.max(0, ...session.soFar().utterances.map(({ endSample }) => endSample));
  return {
    session_id: session.id,
    job_id: session.jobId ?? null,
    state: session.state,
    backend_used: session.backend,
    model: session.model,
    spoken_until_seconds: Math.round(samplesToSeconds(spokenSamples) * 1000) / 1000,
  };
}
