import { msToSamples, SAMPLE_RATE_HZ, type AudioSource, type LaneAudio, type PcmFrame } from '../audio.ts';
import { BoundedQueue } from '../bounded-queue.ts';
import { DETECTOR_WINDOW_SAMPLES, type SpeechDetector } from '../speech-detector.ts';
import type { LaneTotals, TranscriptEvent } from '../transcript.ts';
import { ENDPOINTING_DEFAULTS } from './endpointing.ts';
import { Lane, type LaneOptions } from './lane.ts';
import { Meter } from './meter.ts';

export interface PiecewiseLaneOptions extends LaneOptions {
  /** Pieces that run beside the first of each lane, shared by the lanes of a session. */
  readonly extraPieces: PiecePlaces;
  /** A piece ends at the first long silence after so much audio. Default 120 s. */
  readonly pieceSamples?: number;
}

const DEFAULT_PIECE_SAMPLES = 120 * SAMPLE_RATE_HZ;
/** Earlier audio that a piece hears first, so that its recognizer knows the voice; what it says of it is dropped. */
const LEAD_IN_SAMPLES = 15 * SAMPLE_RATE_HZ - ((15 * SAMPLE_RATE_HZ) % DETECTOR_WINDOW_SAMPLES);
/** Silence before a cut; more than the endpoint, if that is longer. No utterance is open then, and none reaches back before it. */
const MIN_CUT_SILENCE_SAMPLES = SAMPLE_RATE_HZ;
/** The first utterance after a cut may begin so much earlier, because an utterance takes along what comes before its speech. */
const MAX_REACH_BACK_SAMPLES = SAMPLE_RATE_HZ / 2;
/** Audio of a piece that may wait for its recognizer; beyond, the source is paused. */
const MAX_QUEUED_SAMPLES = 150 * SAMPLE_RATE_HZ;

/** Counts the pieces that may run besides those without which a lane would stand still. */
export class PiecePlaces {
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  tryTake(): boolean {
    if (this.#free === 0) return false;
    this.#free -= 1;
    return true;
  }

  give(): void {
    this.#free += 1;
  }
}

/**
 * A lane of recorded audio, cut at long silences into pieces that are recognized side by side, each by a lane of its own:
 *
 *   source -> windows, judged once -> piece 0 |-----------------|
 *                                     piece 1         ~~~|-----------------|          ~~~ lead-in
 *                                     piece 2                          ~~~|---------...
 *
 * Where the cuts fall depends on the samples alone, and every piece sees the same windows with the same judgements however many run at
 * a time: so the result is the same with one piece at a time as with many. Events come in the order of the audio.
 */
export class PiecewiseLane {
  readonly #options: PiecewiseLaneOptions;
  readonly #pieceSamples: number;
  readonly #cutSilenceSamples: number;
  readonly #meter: Meter;
  readonly #window = new Int16Array(DETECTOR_WINDOW_SAMPLES);
  #filled = 0;
  #windowStart = 0;
  #silenceSamples = 0;
  readonly #leadIn: JudgedFrame[] = [];
  /** Those that have not ended and told everything, oldest first. */
  readonly #pieces: Piece[] = [];
  #newest: Piece;
  #utterances = 0;
  #settledSpeechSamples = 0;
  #failure: unknown;

  constructor(options: PiecewiseLaneOptions) {
    this.#options = options;
    this.#pieceSamples = options.pieceSamples ?? DEFAULT_PIECE_SAMPLES;
    this.#cutSilenceSamples = Math.max(MIN_CUT_SILENCE_SAMPLES, msToSamples(options.endpointing.endpointMs ?? ENDPOINTING_DEFAULTS.endpointMs) + MAX_REACH_BACK_SAMPLES);
    this.#meter = new Meter(options.index);
    this.#newest = this.#begin(false);
  }

  totals(): LaneTotals {
    const running = this.#pieces.reduce((sum, piece) => sum + piece.speechSamples, 0);
    return { ...this.#meter.totals(), speechSamples: this.#settledSpeechSamples + running };
  }

  /** Stops the source; `run` then ends after what was already delivered. */
  end(): void {
    this.#options.source.close();
  }

  /** Ends the open utterance at the audio heard so far; resolves when its final is out. */
  async flush(): Promise<void> {
    await this.#newest.lane.flush();
  }

  async run(): Promise<void> {
    let broken: { readonly error: unknown } | undefined;
    try {
      await this.#listen();
    } catch (error) {
      broken = { error };
    } finally {
      this.#options.detector.close();
      this.#newest.queue.end();
    }
    while (this.#pieces.length > 0) await this.#pieces[0]!.done;
    this.#throwFailure();
    if (broken) throw broken.error;
    this.#options.emit({ type: 'lane.closed', totals: this.totals() });
  }

  async #listen(): Promise<void> {
    for await (const item of this.#options.source) {
      if (item.kind === 'pcm') {
        this.#meter.hear(item.samples.length);
        await this.#fill(item.samples.length, (target, from) => target.set(item.samples.subarray(from, from + target.length)));
      } else {
        // Recordings have no gaps; should one come, it is silence.
        this.#meter.miss(item.lengthSamples);
        await this.#fill(item.lengthSamples, (target) => target.fill(0));
      }
    }
    if (this.#filled > 0) await this.#judge();
  }

  async #fill(lengthSamples: number, copy: (target: Int16Array, from: number) => void): Promise<void> {
    for (let from = 0; from < lengthSamples; ) {
      const count = Math.min(DETECTOR_WINDOW_SAMPLES - this.#filled, lengthSamples - from);
      copy(this.#window.subarray(this.#filled, this.#filled + count), from);
      this.#filled += count;
      from += count;
      if (this.#filled === DETECTOR_WINDOW_SAMPLES) await this.#judge();
    }
  }

  /** A window is full, or the last: to the present piece, or the first of a new one. */
  async #judge(): Promise<void> {
    const isLongEnough = this.#windowStart - this.#newest.cutSample >= this.#pieceSamples;
    if (isLongEnough && this.#silenceSamples >= this.#cutSilenceSamples) await this.#cut();
    const samples = this.#window.slice(0, this.#filled);
    this.#window.fill(0, this.#filled);
    const startMs = this.#options.clock.nowMs();
    const isSpeech = this.#options.detector.isSpeech(this.#window);
    this.#options.observe?.('detect', this.#options.clock.nowMs() - startMs);
    const judged = { frame: { kind: 'pcm', startSample: this.#windowStart, samples }, isSpeech } as const;
    this.#silenceSamples = isSpeech ? 0 : this.#silenceSamples + DETECTOR_WINDOW_SAMPLES;
    this.#windowStart += DETECTOR_WINDOW_SAMPLES;
    this.#filled = 0;
    this.#leadIn.push(judged);
    if (this.#leadIn.length * DETECTOR_WINDOW_SAMPLES > LEAD_IN_SAMPLES) this.#leadIn.shift();
    await this.#newest.hear(judged);
    this.#throwFailure();
  }

  async #cut(): Promise<void> {
    this.#newest.queue.end();
    let isExtra = false;
    while (this.#pieces.some((piece) => piece.isRunning) && !(isExtra = this.#options.extraPieces.tryTake())) {
      // A piece that ends makes room; should another lane give a place back meanwhile, it is found then.
      await Promise.race(this.#pieces.filter((piece) => piece.isRunning).map((piece) => piece.done));
      this.#throwFailure();
    }
    this.#newest = this.#begin(isExtra);
    for (const judged of this.#leadIn) void this.#newest.hear(judged);
  }

  #begin(isExtra: boolean): Piece {
    const piece = new Piece(this.#options, this.#leadIn[0]?.frame.startSample ?? 0, this.#windowStart, () => {
      this.#tell();
    });
    piece.done = piece.lane
      .run()
      .catch((error: unknown) => {
        this.#failure ??= error;
        piece.failed = true;
        // Nothing that comes after can be told any more.
        this.#options.source.close();
        for (const other of this.#pieces) other.queue.discard();
      })
      .then(() => {
        piece.isRunning = false;
        if (isExtra) this.#options.extraPieces.give();
        this.#tell();
      });
    this.#pieces.push(piece);
    this.#tell();
    return piece;
  }

  /** Hands on what the oldest piece has told; when it has ended, that of the next. */
  #tell(): void {
    for (let oldest = this.#pieces[0]; oldest; oldest = this.#pieces[0]) {
      for (const event of oldest.take()) {
        if (this.#failure === undefined || oldest.failed) this.#options.emit(renumbered(event, this.#utterances));
      }
      oldest.isOldest = true;
      if (oldest.isRunning) return;
      this.#pieces.shift();
      this.#utterances += oldest.utterances;
      this.#settledSpeechSamples += oldest.speechSamples;
    }
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure as Error;
  }
}

/** A window of the lane and what the detector said of it. */
interface JudgedFrame {
  readonly frame: PcmFrame;
  readonly isSpeech: boolean;
}

class Piece {
  readonly lane: Lane;
  readonly queue = new BoundedQueue<PcmFrame>({ maxWeight: MAX_QUEUED_SAMPLES, weigh: (frame) => frame.samples.length });
  readonly cutSample: number;
  done: Promise<void> = Promise.resolve();
  isRunning = true;
  failed = false;
  /** Interims are told only of the oldest piece: those of others would be superseded before their turn. */
  isOldest = false;
  /** Utterances begun since the cut. */
  utterances = 0;
  readonly #judgements: boolean[] = [];
  readonly #onEvent: () => void;
  #leadInUtterances = 0;
  #inLeadIn = false;
  #leadInSpeechSamples = 0;
  #events: TranscriptEvent[] = [];

  constructor(options: LaneOptions, startSample: number, cutSample: number, onEvent: () => void) {
    this.cutSample = cutSample;
    this.#onEvent = onEvent;
    this.lane = new Lane({
      index: options.index,
      ...(options.attribution && { attribution: options.attribution }),
      lease: options.lease,
      endpointing: options.endpointing,
      maxSegmentSamples: options.maxSegmentSamples,
      clock: options.clock,
      source: sourceFrom(startSample, this.queue),
      detector: this.#detector(),
      observe: (stage, ms) => {
        if (stage !== 'detect') options.observe?.(stage, ms);
      },
      emit: (event) => {
        this.#note(event);
      },
    });
  }

  /** Without the lead-in. */
  get speechSamples(): number {
    return this.utterances === 0 ? 0 : this.lane.totals().speechSamples - this.#leadInSpeechSamples;
  }

  hear(judged: JudgedFrame): Promise<void> {
    this.#judgements.push(judged.isSpeech);
    return this.queue.push(judged.frame);
  }

  /** What was told since the last call. */
  take(): TranscriptEvent[] {
    return this.#events.splice(0);
  }

  /** Tells the lane what the one detector of all pieces has said. */
  #detector(): SpeechDetector {
    return { isSpeech: () => this.#judgements.shift() ?? false, reset: () => undefined, close: () => undefined };
  }

  #note(event: TranscriptEvent): void {
    const kept = this.#since(event);
    if (!kept) return;
    this.#events.push(kept);
    if (this.isOldest) this.#onEvent();
  }

  /** The event, if it is of what lies after the cut; utterances are numbered from there. */
  #since(event: TranscriptEvent): TranscriptEvent | undefined {
    switch (event.type) {
      case 'speech.started':
        this.#inLeadIn = event.atSample < this.cutSample - MAX_REACH_BACK_SAMPLES;
        if (this.#inLeadIn) {
          this.#leadInUtterances += 1;
          return undefined;
        }
        if (this.utterances === 0) this.#leadInSpeechSamples = this.lane.totals().speechSamples;
        this.utterances += 1;
        return event;
      case 'speech.ended':
        return this.#inLeadIn ? undefined : event;
      case 'utterance.interim':
        return this.isOldest && isSince(event, this.#leadInUtterances) ? renumbered(event, -this.#leadInUtterances) : undefined;
      case 'utterance.final':
        return isSince(event, this.#leadInUtterances) ? renumbered(event, -this.#leadInUtterances) : undefined;
      case 'recognizer.recovered':
        return event;
      default:
        return undefined;
    }
  }
}

type UtteranceEvent = Extract<TranscriptEvent, { readonly type: 'utterance.interim' | 'utterance.final' }>;

const ID = /^(.*-U)(\d+)$/;
const numberOf = (event: UtteranceEvent): number => Number(ID.exec(event.utterance.id)?.[2]);
const isSince = (event: UtteranceEvent, leadInUtterances: number): boolean => numberOf(event) >= leadInUtterances;

function renumbered<T extends TranscriptEvent>(event: T, by: number): T {
  if (by === 0 || (event.type !== 'utterance.interim' && event.type !== 'utterance.final')) return event;
  const id = event.utterance.id.replace(ID, (_, start: string, number: string) => start + String(Number(number) + by));
  return { ...event, utterance: { ...event.utterance, id } };
}

/** Time before the source's first sample is a gap: the lane jumps over it, and positions are those of the whole lane. */
function sourceFrom(startSample: number, queue: BoundedQueue<PcmFrame>): AudioSource {
  return {
    close: () => {
      queue.end();
    },
    async *[Symbol.asyncIterator](): AsyncGenerator<LaneAudio, void, void> {
      if (startSample > 0) yield { kind: 'gap', startSample: 0, lengthSamples: startSample, cause: 'mute' };
      yield* queue;
    },
  };
}
