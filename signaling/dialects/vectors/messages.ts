import { jsonObject } from '../fields.ts';
import type { WireMessage } from '../../connection.ts';

/** Every kind of message that a dialect knows. A test fails where one has no vector, and where one is met that is not here. */
export interface Messages {
  readonly client: readonly string[];
  readonly server: readonly string[];
  readonly clientKind: (message: WireMessage) => string;
  readonly serverKind: (frame: Readonly<Record<string, unknown>>) => string;
}

/** Binary frames are audio; text is told by its `type`. */
const typeOf = (message: WireMessage): string => {
  if (typeof message !== 'string') return message.length > 0 ? 'audio' : 'nothing';
  return String(jsonObject(message)?.['type']);
};

export const MESSAGES: Readonly<Record<string, Messages>> = {
  audiopod: {
    client: ['start', 'audio', 'end'],
    server: ['ready', 'partial', 'final', 'usage', 'completed', 'error'],
    clientKind: typeOf,
    serverKind: ({ type }) => String(type),
  },
  deepgram: {
    client: ['audio', 'nothing', 'KeepAlive', 'Finalize', 'CloseStream'],
    server: ['Results', 'SpeechStarted', 'UtteranceEnd', 'Metadata', 'Error'],
    clientKind: typeOf,
    serverKind: ({ type }) => String(type),
  },
  'openai-realtime': {
    client: ['session.update', 'transcription_session.update', 'input_audio_buffer.append', 'input_audio_buffer.commit', 'input_audio_buffer.clear'],
    server: [
      'session.created',
      'session.updated',
      'transcription_session.created',
      'transcription_session.updated',
      'input_audio_buffer.speech_started',
      'input_audio_buffer.speech_stopped',
      'input_audio_buffer.committed',
      'input_audio_buffer.cleared',
      'conversation.item.added',
      'conversation.item.done',
      'conversation.item.created',
      'conversation.item.input_audio_transcription.delta',
      'conversation.item.input_audio_transcription.completed',
      'conversation.item.input_audio_transcription.failed',
      'error',
    ],
    clientKind: typeOf,
    serverKind: ({ type }) => String(type),
  },
  pulse: {
    client: ['audio', 'finalize', 'close_stream', 'end', 'END'],
    server: ['partial', 'final', 'answer to finalize', 'last', 'speech_started', 'speech_ended', 'error'],
    clientKind: (message) => (typeof message === 'string' ? String(jsonObject(message)?.['type'] ?? jsonObject(message)?.['flag']) : typeOf(message)),
    serverKind: (frame) => {
      if (frame['type'] !== 'transcription') return String(frame['type']);
      if (frame['is_last'] === true) return 'last';
      if (frame['from_finalize'] === true) return 'answer to finalize';
      return frame['is_final'] === true ? 'final' : 'partial';
    },
  },
  vosk: {
    client: ['audio', 'config', 'reset', 'eof'],
    server: ['partial', 'text', 'result', 'error'],
    clientKind: (message) => (typeof message === 'string' ? String(Object.keys(jsonObject(message) ?? {})[0]) : typeOf(message)),
    serverKind: (frame) => Object.keys(frame)[0] ?? '',
  },
};
