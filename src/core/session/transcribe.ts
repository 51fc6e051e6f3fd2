import { samplesToMs, type DecodedAudio } from '../audio.ts';
import { EarshotError } from '../errors.ts';
import type { Analysis } from '../text-analysis.ts';
import type { Utterance } from '../transcript.ts';
import type { Session } from './session.ts';

/** A finished transcript. */
export interface Transcript {
  /** In order of their start over all lanes. */
  readonly utterances: readonly Utterance[];
  /** Letter of the backend that had it in the end. */
  readonly backend: string;
  readonly model?: string;
  /** Language of what was heard, where it is known. */
  readonly language?: string;
  /** Longest lane. */
  readonly durationMs: number;
  /** What a language model made of it, where that was asked for. It is about what was recognized, not about later edits. */
  readonly analysis?: Analysis;
}

/** One line of text for the whole transcript; lanes are interleaved by time. */
export function transcriptText(transcript: Transcript): string {
  return transcript.utterances.map((utterance) => utterance.text).join(' ');
}

/**
 * Hears out a decoded recording in a session of its own: the same lanes, endpointing and recognizer as live audio.
 * Closes the session. `progress` is told how many milliseconds have been settled.
 * Throws what ended the session, if it did not end well.
 */
export async function transcribe(
  session: Session,
  audio: DecodedAudio,
  options: { readonly signal?: AbortSignal; readonly progress?: (settledMs: number) => void } = {},
): Promise<Transcript> {
  const onAbort = (): void => {
    void session.destroy(new EarshotError('SESSION_CONFLICT', 'The request was cancelled.'));
  };
  options.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    for (const [index, lane] of audio.lanes.entries()) session.addLane(lane, `channel ${String(index)}`);
    void session.settled().then(() => session.close('finished'));
    return await collect(session, options.progress);
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
    for (const lane of audio.lanes) lane.close();
    await session.close('finished');
  }
}

async function collect(session: Session, progress?: (settledMs: number) => void): Promise<Transcript> {
  const utterances: Utterance[] = [];
  let heardSamples = 0;
  for await (const event of session.events()) {
    if (event.type === 'utterance.final' && event.utterance.words.length > 0) {
      utterances.push(event.utterance);
      progress?.(samplesToMs(event.utterance.endSample));
    } else if (event.type === 'session.closed') {
      if (event.error) throw new EarshotError(event.error.code, event.error.message);
      heardSamples = Math.max(0, ...event.lanes.map((lane) => lane.heardSamples));
    }
  }
  utterances.sort((a, b) => a.startSample - b.startSample || a.laneIndex - b.laneIndex);
  const { backend, model, language } = session;
  return {
    utterances: await session.conclude(utterances),
    backend,
    model,
    ...(language !== undefined && { language }),
    durationMs: samplesToMs(heardSamples),
  };
}
