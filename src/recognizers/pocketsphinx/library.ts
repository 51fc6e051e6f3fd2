import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import koffi, { type KoffiFunc } from 'koffi';

/**
 * The C functions of PocketSphinx 5prealpha that Earshot calls, bound by koffi.
 * Only the engine process loads this file: native code may abort the process it runs in.
 * koffi 3 hands pointers out as `bigint`; `null` is NULL.
 */

type Pointer = bigint;

/** Mel cepstra per frame (`-ceplen`). */
export const CEPSTRUM_SIZE = 13;
/** Frames per second (`-frate`). */
export const FRAMES_PER_SECOND = 100;

/** Offset of `cmn_struct` in `feat_t` of this release. */
const CMN_OFFSET_IN_FEAT = 88;
/** Offset of `widmap` in `ngram_model_set_t` of this release: which word of the language model a word of the dictionary is, a row each. */
const WORD_MAP_OFFSET_IN_MODEL_SET = 128;
/** Where `ps_decoder_t` of this release has its search, and that its language model, the switches of its passes (`fwdtree`, `fwdflat`, `bestpath`: a byte each) and `maxhmmpf`. */
const SEARCH_OFFSET_IN_DECODER = 56;
const MODEL_SET_OFFSET_IN_SEARCH = 112;
const PASSES_OFFSET_IN_SEARCH = 128;
const MAX_HMMS_OFFSET_IN_SEARCH = 708;
/** The name that a decoder gives the search it begins with. */
const DEFAULT_SEARCH = '_default';
const SENTENCE_START = '<s>';

interface Library {
  cmdLnParse: (args: string[], definitions: Pointer) => Pointer | null;
  cmdLnFree: (config: Pointer) => void;
  psArgs: () => Pointer;
  feArgs: () => Pointer;
  psInit: (config: Pointer) => Pointer | null;
  psFree: (decoder: Pointer) => number;
  psStartStream: (decoder: Pointer) => number;
  psStartUtt: (decoder: Pointer) => number;
  psProcessCep: KoffiFunc<(d: Pointer, rows: Pointer, n: number, noSearch: number, full: number) => number>;
  psEndUtt: KoffiFunc<(decoder: Pointer) => number>;
  psGetFeat: (decoder: Pointer) => Pointer;
  cmnLiveSet: (cmn: Pointer, mean: Float32Array) => void;
  psGetLm: (decoder: Pointer, search: string) => Pointer | null;
  ngramWid: (model: Pointer, word: string) => number;
  ngramSetCurrentWid: (modelSet: Pointer, wid: number) => number;
  psGetLogmath: (decoder: Pointer) => Pointer;
  psSegIter: (decoder: Pointer) => Pointer | null;
  psSegNext: (segment: Pointer) => Pointer | null;
  psSegWord: (segment: Pointer) => string;
  psSegFrames: (segment: Pointer, start: [number], end: [number]) => void;
  psSegProb: (segment: Pointer, a: [number] | null, l: [number] | null, b: [number] | null) => number;
  logmathExp: (logmath: Pointer, value: number) => number;
  feInit: (config: Pointer) => Pointer | null;
  feFree: (frontEnd: Pointer) => number;
  feStartStream: (frontEnd: Pointer) => void;
  feStartUtt: (frontEnd: Pointer) => number;
  feProcessUtt: (frontEnd: Pointer, s: Int16Array, n: bigint, cep: [Pointer | null], frames: [number]) => number;
  calloc2d: (rows: number, columns: number, size: number, file: string, line: number) => Pointer;
  free2d: (block: Pointer) => void;
}

function open(): Library {
  const base = koffi.load('libsphinxbase.so.3');
  const ps = koffi.load('libpocketsphinx.so.3');
  base.func('void err_set_logfp(void *stream)')(null);
  return {
    cmdLnParse: (args, definitions) => {
      const parse = base.func('void *cmd_ln_parse_r(void *inout, void *defn, int argc, char **argv, int strict)');
      return parse(null, definitions, args.length, args, 1) as Pointer | null;
    },
    cmdLnFree: base.func('int cmd_ln_free_r(void *config)'),
    psArgs: ps.func('void *ps_args()'),
    feArgs: base.func('void *fe_get_args()'),
    psInit: ps.func('void *ps_init(void *config)'),
    psFree: ps.func('int ps_free(void *ps)'),
    psStartStream: ps.func('int ps_start_stream(void *ps)'),
    psStartUtt: ps.func('int ps_start_utt(void *ps)'),
    psProcessCep: ps.func('int ps_process_cep(void *ps, void *rows, int n, int no_search, int full_utt)'),
    psEndUtt: ps.func('int ps_end_utt(void *ps)'),
    psGetFeat: ps.func('void *ps_get_feat(void *ps)'),
    cmnLiveSet: base.func('void cmn_live_set(void *cmn, float *vec)'),
    psGetLm: ps.func('void *ps_get_lm(void *ps, const char *name)'),
    ngramWid: base.func('int ngram_wid(void *model, const char *word)'),
    ngramSetCurrentWid: base.func('int ngram_model_set_current_wid(void *set, int wid)'),
    psGetLogmath: ps.func('void *ps_get_logmath(void *ps)'),
    psSegIter: ps.func('void *ps_seg_iter(void *ps)'),
    psSegNext: ps.func('void *ps_seg_next(void *seg)'),
    psSegWord: ps.func('const char *ps_seg_word(void *seg)'),
    psSegFrames: ps.func('void ps_seg_frames(void *seg, _Out_ int *sf, _Out_ int *ef)'),
    psSegProb: ps.func('int ps_seg_prob(void *seg, _Out_ int *ascr, _Out_ int *lscr, _Out_ int *lback)'),
    logmathExp: base.func('double logmath_exp(void *lmath, int p)'),
    feInit: base.func('void *fe_init_auto_r(void *config)'),
    feFree: base.func('int fe_free(void *fe)'),
    feStartStream: base.func('void fe_start_stream(void *fe)'),
    feStartUtt: base.func('int fe_start_utt(void *fe)'),
    feProcessUtt: base.func(
      'int fe_process_utt(void *fe, int16_t *spch, size_t n, _Out_ void **cep, _Out_ int *nframes)',
    ),
    calloc2d: base.func('void *__ckd_calloc_2d__(size_t d1, size_t d2, size_t size, const char *file, int line)'),
    free2d: base.func('void ckd_free_2d(void *ptr)'),
  };
}

let loaded: Library | undefined;
const library = (): Library => (loaded ??= open());

/** A word of a decoder's best path; frames of 10 ms from the start of the stream, `endFrame` inclusive. */
export interface DecodedWord {
  readonly text: string;
  readonly startFrame: number;
  readonly endFrame: number;
  readonly confidence: number;
}

/** Where the acoustic model, the language model and the dictionary lie. */
export interface ModelPaths {
  readonly acousticModel: string;
  readonly languageModel: string;
  readonly dictionary: string;
}

/** The model in `folder`, laid out as Debian's package `pocketsphinx-en-us` does. Throws naming the first missing file. */
export function modelPaths(folder: string): ModelPaths {
  const paths: ModelPaths = {
    acousticModel: join(folder, 'en-us'),
    languageModel: join(folder, 'en-us.lm.bin'),
    dictionary: join(folder, 'cmudict-en-us.dict'),
  };
  for (const path of [join(paths.acousticModel, 'mdef'), paths.languageModel, paths.dictionary]) {
    if (!existsSync(path)) throw new Error(`model file missing: ${path}`);
  }
  return paths;
}

/** What the acoustic model was trained with; the decoder reads it by itself, a front end of its own does not. */
function featureParameter(model: ModelPaths, name: string): string | undefined {
  const parameters = readFileSync(join(model.acousticModel, 'feat.params'), 'utf8').split(/\s+/);
  const index = parameters.indexOf(name);
  return index < 0 ? undefined : parameters[index + 1];
}

/** The model's own guess of the cepstral mean, for a lane of which nothing is known. */
export function initialMean(model: ModelPaths): Float32Array {
  const mean = new Float32Array(CEPSTRUM_SIZE);
  mean.set((featureParameter(model, '-cmninit') ?? '').split(',').map(Number).filter(Number.isFinite).slice(0, CEPSTRUM_SIZE));
  return mean;
}

/** Hidden Markov models that are followed from one frame to the next, at most (`-maxhmmpf`): as many as cost no accuracy, and so few that a quarter of the time is saved. */
const MAX_HMMS = { usual: 5000, narrow: 2000 } as const;

/**
 * Options of every decoder. The mean is taken off before the decoder sees a frame, yet `-cmn none` leaves stale features from the utterance before:
 * its `live` estimate is held at {@link NO_MEAN}. The two pruning limits cost no accuracy and a third of the time.
 */
const DECODER_OPTIONS = ['-cmn', 'live', '-remove_silence', 'no', '-maxhmmpf', String(MAX_HMMS.usual), '-maxwpf', '10'];

/** Frames that one call of the decoder takes; blocks of over 100 come out wrong. */
const MAX_FRAMES_PER_CALL = 10;

/**
 * What the decoder takes off by itself. Set again at each call: left alone it would drift from 3 s of an utterance on, and it would spare frames
 * of negative energy (a tenth more errors, measured).
 */
const NO_MEAN = new Float32Array(CEPSTRUM_SIZE);

/**
 * A decoder searches for words in cepstra, one utterance at a time; it keeps nothing of the utterance before.
 * Never call it while a promise of it is pending: overlapping calls on one decoder corrupt its memory.
 */
export class Decoder {
  readonly #lib = library();
  readonly #handle: Pointer;
  readonly #rows: Pointer;
  readonly #frames: Float32Array;
  readonly #history: SentenceHistory;
  readonly #effort: SearchEffort;
  readonly #liveMean: Pointer;
  #mean: Float32Array = NO_MEAN;

  constructor(model: ModelPaths, options: readonly string[] = []) {
    const args = ['earshot', '-hmm', model.acousticModel, '-lm', model.languageModel, '-dict', model.dictionary];
    const config = this.#lib.cmdLnParse([...args, ...DECODER_OPTIONS, ...options], this.#lib.psArgs());
    if (config === null) throw new Error('PocketSphinx refused its options');
    const handle = this.#lib.psInit(config);
    this.#lib.cmdLnFree(config);
    if (handle === null) throw new Error('PocketSphinx could not load its model');
    this.#handle = handle;
    this.#history = new SentenceHistory(handle);
    this.#effort = new SearchEffort(handle);
    this.#liveMean = koffi.decode(this.#lib.psGetFeat(handle) + BigInt(CMN_OFFSET_IN_FEAT), 'void *') as Pointer;
    this.#rows = this.#lib.calloc2d(MAX_FRAMES_PER_CALL, CEPSTRUM_SIZE, Float32Array.BYTES_PER_ELEMENT, '', 0);
    const block = koffi.decode(this.#rows, 'void *') as Pointer;
    this.#frames = new Float32Array(koffi.view(block, MAX_FRAMES_PER_CALL * CEPSTRUM_SIZE * 4));
  }

  /** Begins an utterance, whose cepstra `mean` is taken off. `previousWord`: what was said right before it; undefined: it begins a sentence. */
  start(mean: Float32Array, previousWord?: string): void {
    this.#history.set(previousWord);
    this.#mean = mean;
    this.#lib.psStartStream(this.#handle);
    if (this.#lib.psStartUtt(this.#handle) < 0) throw new Error('PocketSphinx did not start an utterance');
  }

  /** Searches on a thread of libuv's pool. `cepstra` holds {@link CEPSTRUM_SIZE} values a frame. `narrow`: faster, with more errors (default: no). */
  async process(cepstra: Float32Array, { narrow = false }: { narrow?: boolean } = {}): Promise<void> {
    this.#effort.setNarrow(narrow);
    const step = MAX_FRAMES_PER_CALL * CEPSTRUM_SIZE;
    for (let from = 0; from < cepstra.length; from += step) {
      const count = Math.min(step, cepstra.length - from);
      for (let i = 0; i < count; i += 1) {
        this.#frames[i] = cepstra[from + i]! - this.#mean[i % CEPSTRUM_SIZE]!;
      }
      this.#lib.cmnLiveSet(this.#liveMean, NO_MEAN);
      await this.#call(this.#lib.psProcessCep, this.#rows, count / CEPSTRUM_SIZE, 0, 0);
    }
  }

  /**
   * Ends the utterance. A second pass over all its frames, within the words that the first one found, costs a sixth of the search and mends
   * some words (default: yes). After it the best path is taken, whose posteriors are the confidences.
   */
  end({ secondPass = true }: { secondPass?: boolean } = {}): Promise<void> {
    this.#effort.setSecondPass(secondPass);
    return this.#call(this.#lib.psEndUtt);
  }

  /** Words of the best path so far; confidences mean something only after {@link end}. */
  words(): DecodedWord[] {
    const words: DecodedWord[] = [];
    const logmath = this.#lib.psGetLogmath(this.#handle);
    let segment = this.#lib.psSegIter(this.#handle);
    while (segment !== null) {
      const raw = this.#lib.psSegWord(segment);
      if (!raw.startsWith('<') && !raw.startsWith('[')) {
        const start: [number] = [0];
        const end: [number] = [0];
        this.#lib.psSegFrames(segment, start, end);
        // Sums in the engine's integer logarithms round to a little over 1.
        const confidence = Math.min(1, this.#lib.logmathExp(logmath, this.#lib.psSegProb(segment, [0], [0], [0])));
        words.push({ text: raw.replace(/\(\d+\)$/, ''), startFrame: start[0], endFrame: end[0], confidence });
      }
      segment = this.#lib.psSegNext(segment);
    }
    return words;
  }

  free(): void {
    this.#lib.free2d(this.#rows);
    this.#lib.psFree(this.#handle);
  }

  #call(fn: unknown, ...args: unknown[]): Promise<void> {
    const { async: callAsync } = fn as { async: (...all: unknown[]) => void };
    return new Promise((resolve, reject) => {
      callAsync(this.#handle, ...args, (error: Error | null, result: number) => {
        if (error) reject(error);
        else if (result < 0) reject(new Error('PocketSphinx failed on this audio'));
        else resolve();
      });
    });
  }
}

/**
 * What a decoder's language model takes for the word before an utterance. The decoder itself knows only the start of a sentence, so here that is
 * made to stand for another word in the map from its words to the model's.
 */
class SentenceHistory {
  readonly #lib = library();
  readonly #modelSet: Pointer;
  /** The model's word for the start of a sentence, as the map has it, and where in memory that stands. */
  readonly #sentenceStart: number;
  readonly #slot: Pointer;

  constructor(decoder: Pointer) {
    const modelSet = this.#lib.psGetLm(decoder, DEFAULT_SEARCH);
    if (modelSet === null) throw new Error('PocketSphinx has no language model');
    this.#modelSet = modelSet;
    const word = this.#lib.ngramWid(modelSet, SENTENCE_START);
    const rows = koffi.decode(modelSet + BigInt(WORD_MAP_OFFSET_IN_MODEL_SET), 'void *') as Pointer;
    this.#slot = koffi.decode(rows + BigInt(word * 8), 'void *') as Pointer;
    this.#sentenceStart = koffi.decode(this.#slot, 'int') as number;
    if (this.#sentenceStart !== this.#lib.ngramSetCurrentWid(modelSet, word)) throw new Error('this release of PocketSphinx keeps its language model in another form');
  }

  /** A word that the model does not know counts as the start of a sentence. */
  set(previousWord: string | undefined): void {
    koffi.encode(this.#slot, 'int', this.#modelWord(previousWord) ?? this.#sentenceStart);
  }

  #modelWord(text: string | undefined): number | undefined {
    const word = text === undefined ? -1 : this.#lib.ngramWid(this.#modelSet, text);
    const modelWord = word < 0 ? 0 : this.#lib.ngramSetCurrentWid(this.#modelSet, word);
    return modelWord > 0 ? modelWord : undefined;
  }
}

/** How much is searched. There is no function for it, but the decoder looks at its settings whenever it needs them. */
class SearchEffort {
  readonly #search: Pointer;

  constructor(decoder: Pointer) {
    const search = koffi.decode(decoder + BigInt(SEARCH_OFFSET_IN_DECODER), 'void *') as Pointer;
    const modelSet = koffi.decode(search + BigInt(MODEL_SET_OFFSET_IN_SEARCH), 'void *') as Pointer;
    const passes = koffi.decode(search + BigInt(PASSES_OFFSET_IN_SEARCH), koffi.array('uint8', 3)) as Uint8Array;
    const maxHmms = koffi.decode(search + BigInt(MAX_HMMS_OFFSET_IN_SEARCH), 'int') as number;
    if (modelSet !== library().psGetLm(decoder, DEFAULT_SEARCH) || passes.some((each) => each !== 1) || maxHmms !== MAX_HMMS.usual) {
      throw new Error('this release of PocketSphinx keeps its search in another form');
    }
    this.#search = search;
  }

  setSecondPass(isMade: boolean): void {
    koffi.encode(this.#search + BigInt(PASSES_OFFSET_IN_SEARCH + 1), 'uint8', isMade ? 1 : 0);
  }

  setNarrow(isNarrow: boolean): void {
    koffi.encode(this.#search + BigInt(MAX_HMMS_OFFSET_IN_SEARCH), 'int', MAX_HMMS[isNarrow ? 'narrow' : 'usual']);
  }
}

/** Samples to cepstra, for one lane: it tracks the lane's background noise and takes it off, so it hears the lane in one piece. */
export class FrontEnd {
  readonly #lib = library();
  readonly #handle: Pointer;

  constructor(model: ModelPaths) {
    const args = ['earshot', '-remove_silence', 'no'];
    for (const name of ['-lowerf', '-upperf', '-nfilt', '-transform', '-lifter']) {
      const value = featureParameter(model, name);
      if (value !== undefined) args.push(name, value);
    }
    const config = this.#lib.cmdLnParse(args, this.#lib.feArgs());
    const handle = config === null ? null : this.#lib.feInit(config);
    if (handle === null) throw new Error('PocketSphinx could not make a front end');
    this.#handle = handle;
    this.#lib.feStartStream(this.#handle);
    this.#lib.feStartUtt(this.#handle);
  }

  /** Cepstra of the frames that `samples` complete, {@link CEPSTRUM_SIZE} values each, one after the other. */
  process(samples: Int16Array): Float32Array {
    const block: [Pointer | null] = [null];
    const frames: [number] = [0];
    this.#lib.feProcessUtt(this.#handle, samples, BigInt(samples.length), block, frames);
    if (block[0] === null) return new Float32Array(0);
    try {
      if (frames[0] === 0) return new Float32Array(0);
      const first = koffi.decode(block[0], 'void *') as Pointer;
      return new Float32Array(koffi.view(first, frames[0] * CEPSTRUM_SIZE * 4)).slice();
    } finally {
      this.#lib.free2d(block[0]);
    }
  }

  free(): void {
    this.#lib.feFree(this.#handle);
  }
}
