import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { systemClock } from '../../core/clock.ts';
import type { RecognizerStream } from '../../core/recognizer.ts';
import { type OpenEngineStream, serveStreams } from '../adapters/engine-host.ts';
import { SearchTurns } from '../adapters/search-turns.ts';
import { SegmentingStream } from '../adapters/segmenting.ts';
import { punctuationConfig, recognizerConfig, tailSamples, takesLanguage } from './engine-config.ts';
import type { EngineTask } from './engine-task.ts';
import { FAMILIES } from './families.ts';
import { loadSherpaOnnx, type OfflineResult, type OnlineResult, type SherpaLibrary } from './library.ts';
import { OfflineDecoder } from './offline-decoder.ts';
import { OnlineDecoder } from './online-decoder.ts';
import { type Punctuate, punctuating } from './punctuation.ts';
import { StreamingLane } from './streaming-lane.ts';
import { wordsOf } from './words.ts';

/**
 * Entry of an engine process: `engine-process.ts TASK`, forked with an IPC channel; TASK is an {@link EngineTask} as JSON.
 * It holds all native recognition code, which ends the process on a model that is corrupt or of another kind than it was told.
 * It is ready only once the model has decoded something.
 */
const task = JSON.parse(process.argv[2] ?? '') as EngineTask;
const library = loadSherpaOnnx();
const turns = new SearchTurns();
const { mode } = FAMILIES[task.model.family];
if (mode === 'text') {
  punctuator(library, task);
  serveStreams(() => {
    throw new Error('A punctuation model hears nothing.');
  });
} else {
  const open = mode === 'streaming' ? streamingModel(library) : await segmentModel(library);
  const punctuate = task.punctuation && punctuator(library, { ...task.punctuation, threads: 1 });
  serveStreams(punctuate ? (sink, language) => punctuating(open(sink, language), punctuate) : open, turns);
}

function streamingModel({ OnlineRecognizer }: SherpaLibrary): OpenEngineStream {
  const recognizer = new OnlineRecognizer(recognizerConfig(task.model, task));
  const decoder = new OnlineDecoder(recognizer, turns, tailSamples(task.model), collector());
  // sherpa-onnx counts four frames to each output of any streaming CTC model; NeMo's have eight.
  const stretch = task.model.family === 'streaming-nemo-ctc' ? 2 : 1;
  const words = (result: OnlineResult, lengthSamples: number): ReturnType<typeof wordsOf> =>
    wordsOf({ ...result, timestamps: result.timestamps.map((seconds) => seconds * stretch), logProbs: result.ys_probs }, lengthSamples, marks());
  return (sink): RecognizerStream => new StreamingLane({ decoder, wordsOf: words }, sink);
}

async function segmentModel({ OfflineRecognizer }: SherpaLibrary): Promise<OpenEngineStream> {
  const recognizer = await OfflineRecognizer.createAsync(recognizerConfig(task.model, task));
  let expected: string | undefined;
  const decoder = new OfflineDecoder({
    recognizer,
    turns,
    wordsOf: (result: OfflineResult, lengthSamples) => wordsOf({ ...result, logProbs: result.ys_log_probs }, lengthSamples, marks()),
    tailSamples: tailSamples(task.model),
    expect: (_stream, language) => {
      if (language === expected || !takesLanguage(task.model)) return;
      expected = language;
      recognizer.setConfig(recognizerConfig(task.model, { ...task, language }));
    },
    collect: collector(),
  });
  await decoder.transcribe(new Int16Array(16_000));
  return (sink, language): RecognizerStream => new SegmentingStream({ engine: decoder.lane(language), clock: systemClock }, sink);
}

function punctuator({ OfflinePunctuation, OnlinePunctuation }: SherpaLibrary, { model, folder, threads }: EngineTask): Punctuate {
  const config = punctuationConfig(model, { folder, threads });
  const punctuation = model.family === 'punctuation' ? new OfflinePunctuation(config) : new OnlinePunctuation(config);
  punctuation.addPunct('hello');
  return (text) => punctuation.addPunct(text);
}

function marks(): 'trailing-at' | 'leading-blank' {
  return task.model.family.includes('paraformer') ? 'trailing-at' : 'leading-blank';
}

/** The garbage collector, which Node hides. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
