import { SAMPLE_RATE_HZ } from '../../core/audio.ts';
import type { Word } from '../../core/transcript.ts';
import type { SearchTurns } from '../adapters/search-turns.ts';
import type { BatchEngine, Heard } from '../adapters/segmenting.ts';
import { type OfflineResult, type SherpaOfflineRecognizer, type SherpaStream, toWaveform } from './library.ts';

export interface OfflineDecoderOptions {
  readonly recognizer: SherpaOfflineRecognizer;
  readonly turns: SearchTurns;
  /** The result of a stretch of so many samples as words at positions from its start. */
  readonly wordsOf: (result: OfflineResult, lengthSamples: number) => readonly Word[];
  /** Silence to add at the end, in samples: some models swallow a last word that ends with the audio. */
  readonly tailSamples: number;
  /** Tells the model what language is expected, before a stretch is decoded. */
  readonly expect: (stream: SherpaStream, language: string | undefined) => void;
  /** Frees what is no longer referenced. */
  readonly collect: () => void;
}

/** Stretches after which the memory of finished ones is given back: their native part is unknown to the garbage collector. */
const COLLECT_EVERY_STREAMS = 16;

/** A model that takes a whole stretch at a time, shared by all lanes: one stretch after the other, on a thread of libuv's. */
export class OfflineDecoder {
  readonly #options: OfflineDecoderOptions;
  #waiting = 0;
  #streams = 0;

  constructor(options: OfflineDecoderOptions) {
    this.#options = options;
  }

  /** The engine of one lane. `language`: ISO 639-1 code that is expected. */
  lane(language: string | undefined): BatchEngine {
    const isBusy = (): boolean => this.#waiting > 0;
    return {
      get isBusy() {
        return isBusy();
      },
      transcribe: (samples) => this.transcribe(samples, language),
    };
  }

  transcribe(samples: Int16Array, language?: string): Promise<Heard> {
    this.#waiting += 1;
    const done = (): void => {
      this.#waiting -= 1;
    };
    const heard = this.#options.turns.take(() => this.#decode(samples, language));
    heard.then(done, done);
    return heard;
  }

  async #decode(samples: Int16Array, language: string | undefined): Promise<Heard> {
    const { recognizer, wordsOf, tailSamples, expect, collect } = this.#options;
    this.#streams += 1;
    if (this.#streams % COLLECT_EVERY_STREAMS === 0) collect();
    const stream = recognizer.createStream();
    expect(stream, language);
    const padded = new Int16Array(samples.length + tailSamples);
    padded.set(samples);
    stream.acceptWaveform(toWaveform(padded, SAMPLE_RATE_HZ));
    const result = await recognizer.decodeAsync(stream);
    const found = language === undefined ? languageOf(result.lang) : undefined;
    return { words: wordsOf(result, samples.length), ...(found !== undefined && { language: found }) };
  }
}

/** `en` and `<|en|>` alike. What has no code of two letters is left out, but Cantonese is Chinese. */
function languageOf(told = ''): string | undefined {
  const code = /^(?:<\|)?([a-z]{2,3})(?:\|>)?$/.exec(told)?.[1];
  if (code === 'yue') return 'zh';
  return code?.length === 2 ? code : undefined;
}
