import { flushCompileCache } from 'node:module';
import type { RecognizerSink, RecognizerStream } from '../../core/recognizer.ts';
import type { HoldMessage } from './batch-hold.ts';
import type { FromEngine, ToEngine } from './engine-messages.ts';
import { SearchTurns } from './search-turns.ts';

/** What a stream in an engine process may tell. */
export type EngineSink = Required<Pick<RecognizerSink, 'interim' | 'language'>>;

/** Makes the stream of one lane. `language` is an ISO 639-1 code, where one is expected. */
export type OpenEngineStream = (sink: EngineSink, language: string | undefined) => RecognizerStream;

interface Lane {
  readonly stream: RecognizerStream;
  /** Segments whose words are awaited, oldest first. */
  readonly pending: number[];
  /** Of the segment that settles next. */
  language: string | undefined;
}

/**
 * The inside of an engine process that keeps no state of lanes: serves streams to the parent over the IPC channel, and tells it
 * that it is ready. What a stream cannot recover from ends the process: the parent then does the work again in another one.
 * `turns` are held back while live lanes of other processes need the cores.
 */
export function serveStreams(open: OpenEngineStream, turns = new SearchTurns()): void {
  const lanes = new Map<number, Lane>();
  const send = (message: FromEngine<undefined>): void => {
    process.send?.(message);
  };
  process.on('message', (message: ToEngine<undefined>) => {
    if (message.type === 'hold' || message.type === 'release') {
      turns[message.type]();
      return;
    }
    const { stream: id } = message;
    if (message.type === 'open') {
      send({ type: 'opened', stream: id });
      lanes.set(id, openLane(id, open, message.language, send));
      return;
    }
    const lane = lanes.get(id);
    if (message.type === 'close') {
      lanes.delete(id);
      void lane?.stream.close();
    } else if (lane) {
      work(lane, message, (answer) => {
        if (lanes.get(id) === lane) send(answer);
      });
    }
  });
  // The server is gone: there is nobody to work for.
  process.on('disconnect', () => process.exit(0));
  // A terminal's Ctrl-C reaches the whole group; the server decides when its engines end.
  process.on('SIGINT', () => undefined);
  // It will be killed, and then keeps nothing of what was compiled.
  flushCompileCache();
  send({ type: 'ready' });
}

function openLane(id: number, open: OpenEngineStream, language: string | undefined, send: (message: FromEngine<undefined>) => void): Lane {
  const pending: number[] = [];
  const sink: EngineSink = {
    interim: (words) => {
      const segment = pending[0];
      if (segment !== undefined) send({ type: 'interim', stream: id, segment, words });
    },
    language: (code) => {
      lane.language = code;
    },
  };
  const lane: Lane = { stream: open(sink, language), pending, language: undefined };
  return lane;
}

function work(lane: Lane, message: Exclude<ToEngine<undefined>, HoldMessage | { type: 'open' | 'close' }>, answer: (message: FromEngine<undefined>) => void): void {
  const { stream } = message;
  switch (message.type) {
    case 'audio': {
      // Copied: the channel may hand out memory that is not aligned to samples.
      const samples = Int16Array.from(message.samples);
      void lane.stream.write({ kind: 'pcm', startSample: message.startSample, samples }).then(() => {
        answer({ type: 'consumed', stream, samples: samples.length });
      });
      return;
    }
    case 'begin':
      lane.pending.push(message.segment);
      lane.stream.beginSegment(message.startSample);
      return;
    case 'pause':
      lane.stream.pauseSegment?.(message.atSample);
      return;
    case 'resume':
      lane.stream.resumeSegment?.(message.atSample);
      return;
    case 'end':
      lane.stream.endSegment(message.endSample).then(
        (words) => {
          lane.pending.shift();
          const { language } = lane;
          lane.language = undefined;
          answer({ type: 'settled', stream, segment: message.segment, words, ...(language !== undefined && { language }), state: undefined });
        },
        (error: unknown) => {
          if ((error as { readonly code?: string }).code !== 'SESSION_CONFLICT') throw error;
        },
      );
      return;
  }
}
