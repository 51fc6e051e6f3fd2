import { HELLO_WORLD, type DialectVector, type Step } from './vector.ts';

const PREFIX = '1111111122224333';
const item = (number: number): string => `item_${PREFIX}_${String(number)}`;
const id = (number: number): { readonly event_id: string } => ({ event_id: `event_${PREFIX}_${String(number)}` });

const VAD = { type: 'server_vad', threshold: 0.5, prefix_padding_ms: 400, silence_duration_ms: 500, idle_timeout_ms: null };
const session = (input: object = {}): object => ({
  type: 'transcription',
  object: 'realtime.transcription_session',
  id: `sess_${PREFIX}`,
  expires_at: 'TIME',
  audio: {
    input: { format: { type: 'audio/pcm', rate: 24_000 }, noise_reduction: null, transcription: { model: 'earshot', language: null, prompt: '' }, turn_detection: VAD, ...input },
  },
  include: null,
});
const opened = (request: object = {}): object => ({
  type: 'open',
  request: { format: { container: 'raw', encoding: 's16', sampleRateHz: 24_000, channels: 1 }, endpointing: { endpointMs: 500 }, limits: { maxIdleMs: 900_000 }, ...request },
});
const manual = { endpointMs: Infinity, maxUtteranceMs: 120_000 };
const send = (...messages: readonly object[]): object => ({ type: 'send', messages });
const client = (event: object): string => JSON.stringify(event);

/** A fifth of a second of PCM at 24 kHz. */
const AUDIO = 'abcd'.repeat(2400);
const append = client({ type: 'input_audio_buffer.append', audio: Buffer.from(AUDIO).toString('base64') });
const heard = { type: 'audio', binary: AUDIO };
const commit = client({ type: 'input_audio_buffer.commit', event_id: 'c1' });

const content = [{ type: 'input_audio', transcript: null }];
const message = (number: number): object => ({ id: item(number), type: 'message', object: 'realtime.item', status: 'completed', role: 'user', content });
/** What tells that an item is in the conversation; event numbers from `first`. */
const committed = (first: number, number: number, previous: number | null, names: readonly string[] = ['added', 'done']): object[] => {
  const before = { previous_item_id: previous === null ? null : item(previous) };
  return [
    { type: 'input_audio_buffer.committed', ...id(first), ...before, item_id: item(number) },
    ...names.map((name, index) => ({ type: `conversation.item.${name}`, ...id(first + 1 + index), ...before, item: message(number) })),
  ];
};
const TRANSCRIPTION = 'conversation.item.input_audio_transcription';
const delta = (event: number, number: number, text: string): object => ({ type: `${TRANSCRIPTION}.delta`, ...id(event), item_id: item(number), content_index: 0, delta: text });
const completed = (event: number, number: number, transcript: string, seconds: number): object => ({
  type: `${TRANSCRIPTION}.completed`,
  ...id(event),
  item_id: item(number),
  content_index: 0,
  transcript,
  logprobs: null,
  usage: { type: 'duration', seconds },
});
const error = (event: number, fields: object): object => send({ type: 'error', ...id(event), error: { type: 'invalid_request_error', ...fields } });

const started = { type: 'speech.started', laneIndex: 0, atSample: 9600 } as const;
const ended = { type: 'speech.ended', laneIndex: 0, atSample: 25_600 } as const;
const final = (endedBy: 'silence' | 'request'): object => ({ type: 'utterance.final', utterance: HELLO_WORLD, endedBy });
const flushed = { type: 'session.flushed' } as const;

const startedFrame = (event: number, number: number): object => ({ type: 'input_audio_buffer.speech_started', ...id(event), audio_start_ms: 600, item_id: item(number) });
const stoppedFrame = (event: number, number: number): object => ({ type: 'input_audio_buffer.speech_stopped', ...id(event), audio_end_ms: 1600, item_id: item(number) });
const toManual = client({ type: 'session.update', session: { type: 'transcription', audio: { input: { turn_detection: null } } } });

const step = (event: object, frames: readonly object[]): Step => ({ event, frames }) as Step;

export const OPENAI_REALTIME_VECTORS: readonly DialectVector[] = [
  {
    name: 'a turn that the server ends: settled words as they come, then the whole',
    proves: ['realtime: WebSocket, `session.created`, `session.update`', 'realtime: `server_vad`', 'realtime: deltas that add up to the transcript', 'realtime: noise reduction, prompt, delay, logprobs'],
    query: 'model=gpt-realtime',
    begins: [send({ type: 'session.created', ...id(1), session: session() })],
    steps: [
      {
        client: client({
          type: 'session.update',
          session: {
            type: 'transcription',
            audio: { input: { transcription: { model: 'gpt-4o-transcribe', language: 'en-US' }, noise_reduction: { type: 'near_field' }, turn_detection: { type: 'server_vad', threshold: 0.7, silence_duration_ms: 300 } } },
            include: ['item.input_audio_transcription.logprobs'],
          },
        }),
        commands: [
          send({ type: 'session.updated', ...id(2), session: session({ transcription: { model: 'gpt-4o-transcribe', language: 'en', prompt: '' }, turn_detection: { ...VAD, silence_duration_ms: 300 } }) }),
        ],
      },
      { client: append, commands: [opened({ endpointing: { endpointMs: 300 }, language: 'en' }), heard] },
      { client: append, commands: [heard] },
      step(started, [startedFrame(3, 1)]),
      step({ type: 'utterance.interim', utterance: { ...HELLO_WORLD, settledWords: 0 } }, []),
      step({ type: 'utterance.interim', utterance: { ...HELLO_WORLD, settledWords: 1 } }, [delta(4, 1, 'hello')]),
      step({ type: 'utterance.interim', utterance: { ...HELLO_WORLD, settledWords: 1 } }, []),
      step(ended, [stoppedFrame(5, 1), ...committed(6, 1, null)]),
      step(final('silence'), [delta(9, 1, ' World'), completed(10, 1, 'hello World', 1)]),
    ],
  },
  {
    name: 'speech without words is completed empty, in its turn',
    steps: [
      { client: append, commands: [opened(), heard] },
      step(started, [startedFrame(1, 1)]),
      step(ended, [stoppedFrame(2, 1), ...committed(3, 1, null)]),
      step(started, [startedFrame(6, 2)]),
      step({ type: 'utterance.dismissed', laneIndex: 0, endedBy: 'silence' }, [completed(7, 1, '', 1)]),
      step(ended, [stoppedFrame(8, 2), ...committed(9, 2, 1)]),
      step(final('silence'), [delta(12, 2, 'hello World'), completed(13, 2, 'hello World', 1)]),
    ],
  },
  {
    name: 'a client that commits itself: one item per commit, whatever was heard in it',
    proves: ['realtime: manual commit, clear'],
    steps: [
      { client: toManual, commands: [send({ type: 'session.updated', ...id(1), session: session({ turn_detection: null }) })] },
      { client: commit, commands: [error(2, { code: 'input_audio_buffer_commit_empty', message: 'The buffer is too small: 0.00 ms of audio, and a commit takes at least 100 ms.', param: null, event_id: 'c1' })] },
      { client: append, commands: [opened({ endpointing: manual }), heard] },
      step(started, []),
      { client: commit, commands: [send(...committed(3, 2, null)), { type: 'flush' }] },
      { client: append, commands: [heard] },
      { client: commit, commands: [send(...committed(6, 3, 2)), { type: 'flush' }] },
      step(ended, []),
      step(final('request'), []),
      step(flushed, [delta(9, 2, 'hello World'), completed(10, 2, 'hello World', 0.2)]),
      step(flushed, [completed(11, 3, '', 0.2)]),
      { client: commit, commands: [error(12, { code: 'input_audio_buffer_commit_empty', message: 'The buffer is too small: 0.00 ms of audio, and a commit takes at least 100 ms.', param: null, event_id: 'c1' })] },
    ],
  },
  {
    name: 'a commit while the server ends turns takes what is open; what is cleared is forgotten',
    proves: ['realtime: manual commit, clear'],
    steps: [
      { client: append, commands: [opened(), heard] },
      step(started, [startedFrame(1, 1)]),
      { client: commit, commands: [{ type: 'flush' }] },
      step(ended, []),
      step(final('request'), [stoppedFrame(2, 1), ...committed(3, 1, null), delta(6, 1, 'hello World'), completed(7, 1, 'hello World', 1)]),
      step(flushed, []),
      { client: append, commands: [heard] },
      step(started, [startedFrame(8, 2)]),
      { client: client({ type: 'input_audio_buffer.clear' }), commands: [send({ type: 'input_audio_buffer.cleared', ...id(9) }), { type: 'flush' }] },
      step(ended, []),
      step(final('request'), []),
      step(flushed, []),
      { client: append, commands: [heard] },
      { client: commit, commands: [{ type: 'flush' }] },
      step(flushed, [...committed(10, 3, 1), completed(13, 3, '', 0.2)]),
    ],
  },
  {
    name: 'the end of turns may change on the way; format, model and language may not',
    proves: ['realtime: `semantic_vad`', 'realtime: audio/pcm, audio/pcmu, audio/pcma'],
    steps: [
      { client: append, commands: [opened(), heard] },
      step(started, [startedFrame(1, 1)]),
      {
        client: toManual,
        commands: [send({ type: 'session.updated', ...id(2), session: session({ turn_detection: null }) }), { type: 'flush' }, { type: 'endpointing', options: manual }],
      },
      step(ended, []),
      step(final('request'), []),
      step(flushed, []),
      { client: commit, commands: [send(...committed(3, 2, null)), { type: 'flush' }] },
      step(flushed, [delta(6, 2, 'hello World'), completed(7, 2, 'hello World', 0.2)]),
      {
        client: client({ type: 'session.update', session: { audio: { input: { turn_detection: { type: 'semantic_vad', eagerness: 'low' } } } } }),
        commands: [
          send({ type: 'session.updated', ...id(8), session: session({ turn_detection: { ...VAD, silence_duration_ms: 1500 } }) }),
          { type: 'flush' },
          { type: 'endpointing', options: { endpointMs: 1500 } },
        ],
      },
      {
        client: client({ type: 'session.update', event_id: 'u2', session: { audio: { input: { format: { type: 'audio/pcmu' } } } } }),
        commands: [error(9, { code: 'invalid_value', message: "'session.audio.input.format' cannot be changed once audio was sent.", param: 'session.audio.input.format', event_id: 'u2' })],
      },
    ],
  },
  {
    name: 'what is wrong is said, and changes nothing',
    proves: ['errors: message, type, param, code', 'realtime: items retrieved and deleted, responses', 'realtime: audio/pcm, audio/pcmu, audio/pcma'],
    steps: [
      { client: { binary: 'ab' }, commands: [error(1, { code: 'invalid_json', message: 'Send JSON objects in text frames; audio is base64 in input_audio_buffer.append.', param: null, event_id: null })] },
      {
        client: client({ type: 'response.create', event_id: 'r' }),
        commands: [error(2, { code: 'invalid_value', message: 'This server transcribes; it has no event "response.create".', param: 'type', event_id: 'r' })],
      },
      { client: client({ type: 'input_audio_buffer.append', audio: '?' }), commands: [error(3, { code: 'invalid_value', message: 'audio is not base64.', param: 'audio', event_id: null })] },
      {
        client: client({ type: 'session.update', session: { type: 'transcription', voice: 'x' } }),
        commands: [error(4, { code: 'unknown_parameter', message: "Unknown parameter: 'session.voice'.", param: 'session.voice', event_id: null })],
      },
      {
        client: client({ type: 'session.update', session: { type: 'realtime', instructions: 'Be kind.', audio: { input: { format: { type: 'audio/pcma' } }, output: { voice: 'x' } } } }),
        commands: [send({ type: 'session.updated', ...id(5), session: session({ format: { type: 'audio/pcma' } }) })],
      },
    ],
  },
  {
    name: 'as before the general release',
    proves: ['realtime: names of before the general release'],
    query: 'intent=transcription',
    headers: { 'openai-beta': 'realtime=v1' },
    begins: [
      send({
        type: 'transcription_session.created',
        ...id(1),
        session: {
          object: 'realtime.transcription_session',
          id: `sess_${PREFIX}`,
          expires_at: 'TIME',
          modalities: ['text'],
          input_audio_format: 'pcm16',
          input_audio_noise_reduction: null,
          input_audio_transcription: { model: 'earshot', language: null, prompt: '' },
          turn_detection: VAD,
          include: null,
        },
      }),
    ],
    steps: [
      {
        client: client({ type: 'transcription_session.update', session: { input_audio_format: 'g711_ulaw', input_audio_transcription: { model: 'whisper-1' }, turn_detection: null } }),
        commands: [
          send({
            type: 'transcription_session.updated',
            ...id(2),
            session: {
              object: 'realtime.transcription_session',
              id: `sess_${PREFIX}`,
              expires_at: 'TIME',
              modalities: ['text'],
              input_audio_format: 'g711_ulaw',
              input_audio_noise_reduction: null,
              input_audio_transcription: { model: 'whisper-1', language: null, prompt: '' },
              turn_detection: null,
              include: null,
            },
          }),
        ],
      },
      { client: append, commands: [opened({ format: { container: 'raw', encoding: 'mulaw', sampleRateHz: 8000, channels: 1 }, endpointing: manual }), heard] },
      { client: commit, commands: [send(...committed(3, 1, null, ['created'])), { type: 'flush' }] },
    ],
  },
  {
    name: 'what ends the session ends its turns first',
    steps: [
      { client: append, commands: [opened(), heard] },
      step(started, [startedFrame(1, 1)]),
      step(ended, [stoppedFrame(2, 1), ...committed(3, 1, null)]),
      {
        error: 'BACKEND_ERROR',
        closeCode: 1011,
        frames: [
          { type: `${TRANSCRIPTION}.failed`, ...id(6), item_id: item(1), content_index: 0, error: { type: 'transcription_error', code: 'backend_error', message: 'x', param: null } },
          { type: 'error', ...id(7), error: { type: 'server_error', code: 'backend_error', message: 'x', param: null, event_id: null } },
        ],
      },
    ],
  },
  { name: 'a call that is not there', query: 'call_id=rtc_1', refused: { code: 'NOT_FOUND', fields: [] } },
];
