import { msToSamples } from '../audio.ts';
import { DETECTOR_WINDOW_SAMPLES } from '../speech-detector.ts';
import type { UtteranceEnd } from '../transcript.ts';

export interface EndpointingOptions {
  /** Silence that ends an utterance, in ms. Default 700; 10 to 10000, or Infinity: only its length or a flush ends it. */
  readonly endpointMs?: number;
  /** Longest utterance, in ms; a longer one is ended at its next pause, or cut. Default 30000; 1000 to 120000. */
  readonly maxUtteranceMs?: number;
  /** Silence that ends a segment, in ms; the recognizer's wish, not the client's. Default 250; never more than `endpointMs`. */
  readonly segmentPauseMs?: number;
}

/** The recognizer settles a segment while the speaker takes breath. */
export const ENDPOINTING_DEFAULTS = { endpointMs: 700, maxUtteranceMs: 30_000, segmentPauseMs: 250 } as const;

/** Audio before the detected start that goes to the recognizer too: detectors notice speech late. */
const PRE_ROLL_SAMPLES = msToSamples(400);
/** Silence after which a segment that goes on until a longer one is said to pause. */
const HINTED_PAUSE_SAMPLES = msToSamples(250);
/** Silence that ends a segment which has become long. */
const LONG_SEGMENT_PAUSE_SAMPLES = msToSamples(160);
/** From this share of the longest segment on, the shorter pause is enough. */
const LONG_SEGMENT_SHARE = 0.65;
/** A forced cut goes to the quietest window of this last stretch. */
const CUT_SEARCH_SAMPLES = msToSamples(2500);

/** One judged window of lane audio. */
export interface JudgedWindow {
  readonly startSample: number;
  readonly isSpeech: boolean;
  /** Mean square of the samples; decides only where a forced cut falls. */
  readonly power: number;
}

/**
 * What the lane has to do. Per utterance: `utterance-start`, then `segment-start` and `segment-end` in turn, then `utterance-end`.
 * In a segment that ends only after a longer silence: `segment-pause` where 250 ms were silent, and `segment-resume` if speech goes on.
 * Positions are lane samples; a segment never begins before the end of the one before it.
 */
export type EndpointingAction =
  | { readonly type: 'utterance-start'; readonly atSample: number }
  | { readonly type: 'segment-start'; readonly atSample: number }
  | { readonly type: 'segment-pause'; readonly atSample: number }
  | { readonly type: 'segment-resume'; readonly atSample: number }
  | { readonly type: 'segment-end'; readonly atSample: number }
  | { readonly type: 'utterance-end'; readonly atSample: number; readonly endedBy: UtteranceEnd };

/**
 * Cuts lane audio into utterances and these into segments. Pure: depends on the windows only, never on when they came,
 * so a file pushed at once and the same file in real time are cut alike.
 *
 *            speech                pause >= 250 ms               pause >= endpoint
 *   idle ---------------> segment ------------------> paused ------------------------> idle
 *                            ^                           |
 *                            +---------------------------+
 *                                       speech
 */
export class Endpointer {
  #endpointSamples = 0;
  #pauseSamples = 0;
  #maxUtteranceSamples = 0;
  #maxSegmentSamples = 0;
  readonly #engineSegmentSamples: number;
  #state: 'idle' | 'segment' | 'paused' = 'idle';
  #utteranceStart = 0;
  #segmentStart = 0;
  /** The open segment is said to pause. */
  #isHinted = false;
  /** End of the last segment: the next may not begin before. */
  #settledEnd = 0;
  /** First sample after the last speech window. */
  #speechEnd = 0;
  #recent: JudgedWindow[] = [];

  constructor(options: EndpointingOptions, maxSegmentSamples: number) {
    this.#engineSegmentSamples = maxSegmentSamples;
    this.configure(options);
  }

  /** Holds for the windows from now on, and for what is open. */
  configure(options: EndpointingOptions): void {
    this.#endpointSamples = msToSamples(options.endpointMs ?? ENDPOINTING_DEFAULTS.endpointMs);
    this.#pauseSamples = Math.min(msToSamples(options.segmentPauseMs ?? ENDPOINTING_DEFAULTS.segmentPauseMs), this.#endpointSamples);
    this.#maxUtteranceSamples = msToSamples(options.maxUtteranceMs ?? ENDPOINTING_DEFAULTS.maxUtteranceMs);
    this.#maxSegmentSamples = Math.min(this.#engineSegmentSamples, this.#maxUtteranceSamples);
  }

  /** No utterance is open: nothing that the lane skips can be missed. */
  get idle(): boolean {
    return this.#state === 'idle';
  }

  push(window: JudgedWindow): EndpointingAction[] {
    const actions: EndpointingAction[] = [];
    const endSample = window.startSample + DETECTOR_WINDOW_SAMPLES;
    if (window.isSpeech) {
      if (this.#state !== 'segment') this.#startSegment(window.startSample, actions);
      else if (this.#isHinted) actions.push({ type: 'segment-resume', atSample: window.startSample });
      this.#isHinted = false;
      this.#speechEnd = endSample;
    }
    if (this.#state === 'segment') this.#watchSegment(window, endSample, actions);
    if (this.#state === 'paused' && endSample - this.#speechEnd >= this.#endpointSamples) {
      this.#endUtterance(actions, 'silence');
    }
    return actions;
  }

  /** Ends what is open at `atSample`: the end of the lane, or a flush. */
  finish(atSample: number): EndpointingAction[] {
    const actions: EndpointingAction[] = [];
    if (this.#state === 'segment') this.#endSegment(atSample, actions);
    if (this.#state === 'paused') this.#endUtterance(actions, 'request');
    return actions;
  }

  #startSegment(speechStart: number, actions: EndpointingAction[]): void {
    const atSample = Math.max(this.#settledEnd, speechStart - PRE_ROLL_SAMPLES);
    if (this.#state === 'idle') {
      this.#utteranceStart = atSample;
      actions.push({ type: 'utterance-start', atSample });
    }
    this.#openSegment(atSample, actions);
  }

  #openSegment(atSample: number, actions: EndpointingAction[]): void {
    this.#state = 'segment';
    this.#segmentStart = atSample;
    this.#recent = [];
    actions.push({ type: 'segment-start', atSample });
  }

  #watchSegment(window: JudgedWindow, endSample: number, actions: EndpointingAction[]): void {
    this.#recent.push(window);
    if ((this.#recent[0]!).startSample < endSample - CUT_SEARCH_SAMPLES) this.#recent.shift();
    const lengthSamples = endSample - this.#segmentStart;
    const isLong = lengthSamples > this.#maxSegmentSamples * LONG_SEGMENT_SHARE;
    const enough = isLong ? Math.min(this.#pauseSamples, LONG_SEGMENT_PAUSE_SAMPLES) : this.#pauseSamples;
    if (endSample - this.#speechEnd >= enough) {
      this.#endSegment(endSample, actions);
      if (endSample - this.#utteranceStart >= this.#maxUtteranceSamples) this.#endUtterance(actions, 'length');
    } else if (lengthSamples >= this.#maxSegmentSamples) {
      this.#cut(endSample, actions);
    } else if (!this.#isHinted && endSample - this.#speechEnd >= HINTED_PAUSE_SAMPLES) {
      this.#isHinted = true;
      actions.push({ type: 'segment-pause', atSample: endSample });
    }
  }

  /** Speech without a pause: the segment ends in its quietest late window and the rest begins the next one. */
  #cut(endSample: number, actions: EndpointingAction[]): void {
    const quietest = this.#recent.reduce((best, window) => (window.power < best.power ? window : best));
    const cutSample = quietest.startSample + DETECTOR_WINDOW_SAMPLES;
    this.#endSegment(cutSample, actions);
    const isLongest = endSample - this.#utteranceStart >= this.#maxUtteranceSamples;
    if (isLongest) this.#endUtterance(actions, 'length');
    // Nothing spoken is left over: what follows begins by itself.
    if (cutSample >= this.#speechEnd) return;
    if (isLongest) {
      this.#utteranceStart = cutSample;
      actions.push({ type: 'utterance-start', atSample: cutSample });
    }
    this.#openSegment(cutSample, actions);
  }

  #endSegment(atSample: number, actions: EndpointingAction[]): void {
    this.#state = 'paused';
    this.#isHinted = false;
    this.#settledEnd = atSample;
    actions.push({ type: 'segment-end', atSample });
  }

  #endUtterance(actions: EndpointingAction[], endedBy: UtteranceEnd): void {
    this.#state = 'idle';
    const atSample = Math.max(this.#utteranceStart, Math.min(this.#speechEnd, this.#settledEnd));
    actions.push({ type: 'utterance-end', atSample, endedBy });
  }
}
