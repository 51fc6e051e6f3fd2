/**
 * What an engine knows of a voice from one stretch of speech: numbers that mean something to that engine only. Two prints of one
 * voice make a better one, whatever lay between them.
 */
export type Voiceprint = Float64Array;

/** How an engine's prints are compared. Pure and cheap: microseconds. */
export interface VoiceMeasure {
  /** The engine and the model: prints of different ones cannot be compared. */
  readonly id: string;
  merge(a: Voiceprint, b: Voiceprint): Voiceprint;
  /** How unlike two voices are: 0 the same, below 1 probably one person, above 1 probably two. */
  difference(a: Voiceprint, b: Voiceprint): number;
  /** Speech that the print was made from, in seconds, as far as it told anything. */
  speechSeconds(print: Voiceprint): number;
}

/** One person's speech without a break, within a longer stretch. */
export interface HeardVoice {
  readonly startSample: number;
  readonly endSample: number;
  readonly print: Voiceprint;
}
