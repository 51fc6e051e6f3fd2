import { AUDIOPOD } from './audiopod.ts';
import { DEEPGRAM } from './deepgram.ts';
import type { StreamDialect } from './dialect.ts';
import { OPENAI_REALTIME } from './openai-realtime.ts';
import { PULSE } from './pulse.ts';
import { VOSK } from './vosk.ts';

/** Every wire protocol that is spoken on a socket of its own, beside the native one. */
export const STREAM_DIALECTS: readonly StreamDialect[] = [AUDIOPOD, DEEPGRAM, OPENAI_REALTIME, PULSE, VOSK];
