import { type Attribution, attributedTo, LaneAttribution } from '../attribution.ts';
import { SAMPLE_RATE_HZ, type AudioGap, type AudioSource, type PcmFrame } from '../audio.ts';
import type { Clock } from '../clock.ts';
import { MAX_LOOK_BACK_SAMPLES, type RecognizerLease, type RecognizerStream } from '../recognizer.ts';
import { DETECTOR_WINDOW_SAMPLES, type SpeechDetector } from '../speech-detector.ts';
import type { ObserveStage } from '../stages.ts';
import type { LaneTotals, TranscriptEvent, UtteranceEnd, Word } from '../transcript.ts';
import { AudioMemory } from './audio-memory.ts';
import { Endpointer, type EndpointingAction, type EndpointingOptions } from './endpointing.ts';
import { Meter } from './meter.ts';
import { UtteranceBuilder } from './utterance-builder.ts';

export interface LaneOptions {
  readonly index: number;
  readonly source: AudioSource;
  readonly lease: RecognizerLease;
  readonly detector: SpeechDetector;
  readonly endpointing: EndpointingOptions;
  /** Who speaks. Its `laneOpened` is called by the lane's owner. Default: nobody can tell. */
  readonly attribution?: Attribution;
  readonly maxSegmentSamples: number;
  readonly clock: Clock;
  /** Tell how much was heard each time so much more has been. Default: never. */
  readonly progressSamples?: number;
  /** Default: nobody is told. */
  readonly observe?: ObserveStage;
  readonly emit: (event: TranscriptEvent) => void;
  /** The model found that a segment is in this language. Default: nobody is told. */
  readonly onLanguage?: (code: string) => void;
}

/** Silence longer than this is skipped by the detector and the recognizer once no utterance is open. */
const MAX_FED_GAP_SAMPLES = SAMPLE_RATE_HZ;
/** Segments that may wait for their words; then the lane stops reading. */
const MAX_UNSETTLED_SEGMENTS = 2;
/** Audio kept for the attribution: the longest utterance, and how far back the next may begin. */
const MAX_REMEMBERED_SAMPLES = 120 * SAMPLE_RATE_HZ + MAX_LOOK_BACK_SAMPLES;

/**
 * One mono source, read window by window: detector, endpointing, recognizer, utterances.
 * `run` ends when the source has, with every final out; it rejects with what broke the source or the recognizer.
 */
export class Lane {
  readonly #options: LaneOptions;
  readonly #observe: ObserveStage;
  readonly #attribution: Attribution;
  readonly #stream: RecognizerStream;
  readonly #endpointer: Endpointer;
  readonly #meter: Meter;
  readonly #window = new Int16Array(DETECTOR_WINDOW_SAMPLES);
  #filled = 0;
  /** Lane sample at which the present window starts. */
  #windowStart = 0;
  /** The open utterance's audio, where the attribution wants it. */
  readonly #memory = new AudioMemory(MAX_REMEMBERED_SAMPLES);
  #segmentStart = 0;
  #utterances = 0;
  /** The utterance that new segments belong to. */
  #open: UtteranceBuilder | undefined;
  /** Utterances of the segments whose words are still awaited, oldest first; the engine's interims are of the first. */
  readonly #unsettled: UtteranceBuilder[] = [];
  #tail: Promise<void> = Promise.resolve();
  #failure: unknown;
  /** Wishes that wait for audio which was queued before them, in order. */
  readonly #wishes: { readonly atSample: number; readonly act: () => void | Promise<void>; readonly done: () => void }[] = [];
  #progressTold = 0;
  #ended = false;
  /** One step at a time: an item of the source, or a flush. */
  #step: Promise<void> = Promise.resolve();

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#observe = options.observe ?? (() => undefined);
    this.#attribution = options.attribution ?? new LaneAttribution();
    this.#meter = new Meter(options.index);
    this.#endpointer = new Endpointer(options.endpointing, options.maxSegmentSamples);
    this.#stream = options.lease.openStream({
      interim: (words) => {
        this.#hear(words);
      },
      recovered: (replayedSamples) => {
        options.emit({ type: 'recognizer.recovered', laneIndex: options.index, replayedSamples });
      },
      language: (code) => options.onLanguage?.(code),
    });
  }

  totals(): LaneTotals {
    return this.#meter.totals();
  }

  /** Stops the source; `run` then ends after what was already delivered. */
  end(): void {
    this.#options.source.close();
  }

  /** Ends the open utterance at the end of the audio that the source holds by now; resolves when its final is out. */
  async flush(): Promise<void> {
    await this.#afterQueued(() => this.#endOpenUtterance());
    await this.#tail;
  }

  /** From the end of the audio that the source holds by now, utterances end otherwise. */
  async setEndpointing(options: EndpointingOptions): Promise<void> {
    await this.#afterQueued(() => {
      this.#endpointer.configure(options);
    });
  }

  async run(): Promise<void> {
    try {
      const broken = await this.#listen();
      await this.#next(() => this.#finish());
      if (broken) throw broken.error;
    } finally {
      this.#ended = true;
      for (const { done } of this.#wishes.splice(0)) done();
      this.#options.detector.close();
      await this.#stream.close();
    }
    this.#options.emit({ type: 'lane.closed', totals: this.totals() });
  }

  /** Reads the source to its end. What broke it is handed back: the audio before is still to be recognized. */
  async #listen(): Promise<{ readonly error: unknown } | undefined> {
    try {
      for await (const item of this.#options.source) {
        await this.#next(async () => {
          await (item.kind === 'pcm' ? this.#hearPcm(item) : this.#hearGap(item));
          await this.#actOnWishes();
        });
        this.#tellProgress();
        this.#throwFailure();
      }
      return undefined;
    } catch (error) {
      return { error };
    }
  }

  async #hearPcm(frame: PcmFrame): Promise<void> {
    this.#meter.hear(frame.samples.length);
    let offset = 0;
    while (offset < frame.samples.length) {
      const count = Math.min(DETECTOR_WINDOW_SAMPLES - this.#filled, frame.samples.length - offset);
      this.#window.set(frame.samples.subarray(offset, offset + count), this.#filled);
      this.#filled += count;
      offset += count;
      if (this.#filled === DETECTOR_WINDOW_SAMPLES) await this.#judge(true);
    }
  }

  /** A gap counts as silence: fed while an utterance is open or it is short, else skipped so that time stays true. */
  async #hearGap(gap: AudioGap): Promise<void> {
    this.#meter.miss(gap.lengthSamples);
    let left = gap.lengthSamples;
    while (left > 0) {
      if (this.#filled === 0 && left > MAX_FED_GAP_SAMPLES && this.#endpointer.idle) {
        const skipped = left - (left % DETECTOR_WINDOW_SAMPLES);
        this.#windowStart += skipped;
        left -= skipped;
        this.#options.detector.reset();
      } else {
        const count = Math.min(DETECTOR_WINDOW_SAMPLES - this.#filled, left);
        const isGapOnly = this.#filled === 0;
        this.#window.fill(0, this.#filled, this.#filled + count);
        this.#filled += count;
        left -= count;
        if (this.#filled === DETECTOR_WINDOW_SAMPLES) await this.#judge(!isGapOnly);
      }
    }
  }

  /** A window is full: to the recognizer, to the detector, and do what the endpointer says. */
  async #judge(mayBeSpeech: boolean): Promise<void> {
    const samples = this.#window.slice();
    const startSample = this.#windowStart;
    this.#windowStart += DETECTOR_WINDOW_SAMPLES;
    this.#filled = 0;
    await this.#stream.write({ kind: 'pcm', startSample, samples });
    this.#remember({ kind: 'pcm', startSample, samples });
    const isSpeech = mayBeSpeech && this.#detect(samples);
    for (const action of this.#endpointer.push({ startSample, isSpeech, power: powerOf(samples) })) {
      await this.#act(action);
    }
  }

  #detect(window: Int16Array): boolean {
    const startMs = this.#options.clock.nowMs();
    const isSpeech = this.#options.detector.isSpeech(window);
    this.#observe('detect', this.#options.clock.nowMs() - startMs);
    return isSpeech;
  }

  async #act(action: EndpointingAction): Promise<void> {
    const laneIndex = this.#options.index;
    switch (action.type) {
      case 'utterance-start': {
        const id = `L${String(laneIndex)}-U${String(this.#utterances)}`;
        this.#utterances += 1;
        this.#open = new UtteranceBuilder(id, laneIndex, action.atSample);
        this.#options.emit({ type: 'speech.started', laneIndex, atSample: action.atSample });
        return;
      }
      case 'segment-start':
        this.#segmentStart = action.atSample;
        this.#stream.beginSegment(action.atSample);
        return;
      case 'segment-pause':
        this.#stream.pauseSegment?.(action.atSample);
        return;
      case 'segment-resume':
        this.#stream.resumeSegment?.(action.atSample);
        return;
      case 'segment-end':
        await this.#endSegment(action.atSample);
        return;
      case 'utterance-end': {
        const utterance = this.#open;
        this.#open = undefined;
        this.#options.emit({ type: 'speech.ended', laneIndex, atSample: action.atSample });
        if (!utterance) return;
        const audio = this.#attribution.wantsAudio ? this.#memory.take(utterance.startSample, action.atSample) : undefined;
        this.#tail = this.#tail.then(async () => {
          // After a failure nothing is settled any more: what was only an interim stays one.
          if (this.#failure === undefined) await this.#finalize(utterance, audio, action.endedBy);
        });
        return;
      }
    }
  }

  async #endSegment(endSample: number): Promise<void> {
    const utterance = this.#open;
    if (!utterance) return;
    this.#meter.recognize(endSample - this.#segmentStart);
    this.#unsettled.push(utterance);
    const endedMs = this.#options.clock.nowMs();
    const words = this.#stream.endSegment(endSample);
    this.#tail = Promise.all([words, this.#tail]).then(
      ([settled]) => {
        this.#observe('engine', this.#options.clock.nowMs() - endedMs);
        this.#unsettled.shift();
        utterance.settle(settled);
        // An engine without interims is heard of before the utterance ends.
        if (settled.length > 0 && this.#open === utterance && utterance.snapshot().text !== utterance.shownText) this.#show(utterance);
      },
      (error: unknown) => {
        this.#failure ??= error;
      },
    );
    if (this.#unsettled.length >= MAX_UNSETTLED_SEGMENTS) await this.#tail;
  }

  #hear(words: readonly Word[]): void {
    const utterance = this.#unsettled[0] ?? this.#open;
    if (utterance?.hear(words) === true) this.#show(utterance);
  }

  #show(utterance: UtteranceBuilder): void {
    const snapshot = utterance.snapshot();
    if (snapshot.words.length === 0 && utterance.shownText === undefined) return;
    utterance.shownText = snapshot.text;
    const speaker = this.#attribution.speakerOf(this.#options.index);
    this.#options.emit({ type: 'utterance.interim', utterance: speaker ? attributedTo(snapshot, speaker) : snapshot });
  }

  /** Noise that never became a word is no utterance; interims that turned out to be nothing are taken back by an empty final. */
  async #finalize(utterance: UtteranceBuilder, audio: PcmFrame | undefined, endedBy: UtteranceEnd): Promise<void> {
    const snapshot = utterance.snapshot();
    const final = { ...snapshot, stableWords: snapshot.words.length, settledWords: snapshot.words.length };
    if (final.words.length > 0) {
      this.#options.emit({ type: 'utterance.final', utterance: await this.#attribution.attribute(final, audio), endedBy });
    } else if (utterance.shownText !== undefined) {
      this.#options.emit({ type: 'utterance.final', utterance: final, endedBy });
    } else {
      this.#options.emit({ type: 'utterance.dismissed', laneIndex: this.#options.index, endedBy });
    }
  }

  #remember(frame: PcmFrame): void {
    if (!this.#attribution.wantsAudio) return;
    this.#memory.push(frame);
    this.#memory.forgetBefore(this.#open?.startSample ?? this.#windowStart - MAX_LOOK_BACK_SAMPLES);
  }

  async #finish(): Promise<void> {
    if (this.#filled > 0) {
      this.#window.fill(0, this.#filled);
      await this.#judge(true);
    }
    await this.#endOpenUtterance();
    await this.#tail;
    this.#throwFailure();
  }

  async #afterQueued(act: () => void | Promise<void>): Promise<void> {
    const acted = Promise.withResolvers<void>();
    this.#wishes.push({ atSample: this.#options.source.queuedEndSample ?? 0, act, done: acted.resolve });
    await this.#next(() => this.#actOnWishes());
    await acted.promise;
  }

  /** Those whose audio has all been heard. */
  async #actOnWishes(): Promise<void> {
    while (this.#wishes.length > 0 && (this.#ended || this.#wishes[0]!.atSample <= this.totals().heardSamples)) {
      const wish = this.#wishes.shift();
      await wish?.act();
      wish?.done();
    }
  }

  #tellProgress(): void {
    const { progressSamples, index, emit } = this.#options;
    const { heardSamples } = this.totals();
    if (progressSamples === undefined || heardSamples - this.#progressTold < progressSamples) return;
    this.#progressTold = heardSamples;
    emit({ type: 'lane.progress', laneIndex: index, heardSamples });
  }

  async #endOpenUtterance(): Promise<void> {
    for (const action of this.#endpointer.finish(this.#windowStart)) await this.#act(action);
  }

  #next(step: () => Promise<void>): Promise<void> {
    const done = this.#step.then(step);
    this.#step = done.catch(() => undefined);
    return done;
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure as Error;
  }
}

function powerOf(samples: Int16Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return sum / samples.length;
}
