import { type Attribution, attributedTo, LaneAttribution, unknownSpeaker, withAttributedWords } from '../core/attribution.ts';
import type { PcmFrame } from '../core/audio.ts';
import type { SpeakerLabel, Utterance, Word } from '../core/transcript.ts';
import type { SpeakerEngine } from './speaker-engine.ts';
import type { HeardVoice, Voiceprint } from './voice.ts';

/** Somebody whose voice is known. */
export interface KnownVoice {
  readonly speakerId: string;
  readonly displayName: string;
  readonly print: Voiceprint;
}

export interface VoiceAttributionOptions {
  readonly engine: SpeakerEngine;
  /** The tenant's enrolled voices, as of now. */
  readonly knownVoices: () => Promise<readonly KnownVoice[]>;
  /** Told of a fault; the utterance goes out without labels then. Default: nobody. */
  readonly onFault?: (error: unknown) => void;
}

/** A voice heard in this session. */
interface SessionVoice {
  print: Voiceprint;
  /** Place of its `SPEAKER_nn`, once that was needed. */
  number?: number;
}

/** Phrases kept for telling a whole recording; what comes after keeps its first labels. About five hours of speech. */
const MAX_PHRASES = 10_000;
/** Less speech than this does not make a new voice in the middle of a session. */
const MIN_NEW_VOICE_SECONDS = 0.8;

/**
 * Tells the speakers of one lane by their voices. Each utterance is cut into phrases; those of one voice are joined, and given to the
 * nearest voice of the session, or to a new one. With a second lane it stops listening: lanes are speakers then.
 * A recording that was heard whole is told again from all its phrases.
 */
export class VoiceAttribution implements Attribution {
  readonly #options: VoiceAttributionOptions;
  readonly #voices: SessionVoice[] = [];
  /** Phrases by utterance, for `conclude`. */
  readonly #phrases = new Map<string, readonly HeardVoice[]>();
  #phraseCount = 0;
  #numbers = 0;
  #lanes = 0;
  #byLane: LaneAttribution | undefined;

  constructor(options: VoiceAttributionOptions) {
    this.#options = options;
  }

  get wantsAudio(): boolean {
    return this.#lanes <= 1;
  }

  laneOpened(laneIndex: number): void {
    this.#lanes += 1;
    if (this.#lanes < 2) return;
    // Labels that were given to voices are not given to lanes again.
    this.#byLane ??= new LaneAttribution(this.#numbers);
    this.#byLane.laneOpened(laneIndex);
  }

  speakerOf(laneIndex: number): SpeakerLabel | undefined {
    return this.#byLane?.speakerOf(laneIndex);
  }

  async attribute(utterance: Utterance, audio: PcmFrame | undefined): Promise<Utterance> {
    if (this.#byLane) return this.#byLane.attribute(utterance);
    if (!audio) return utterance;
    try {
      const phrases = await this.#listen(audio);
      this.#keep(utterance.id, phrases);
      const voices = await this.#follow(phrases);
      const known = await this.#options.knownVoices();
      return labelled(utterance, phrases, (index) => this.#labelOf(voices[index]!, known));
    } catch (error) {
      this.#options.onFault?.(error);
      return utterance;
    }
  }

  async conclude(utterances: readonly Utterance[]): Promise<readonly Utterance[]> {
    if (this.#byLane) return this.#byLane.conclude(utterances);
    try {
      return await this.#tellAgain(utterances);
    } catch (error) {
      this.#options.onFault?.(error);
      return utterances;
    }
  }

  async #listen(audio: PcmFrame): Promise<HeardVoice[]> {
    const heard = await this.#options.engine.listen(audio.samples);
    return heard.map(({ startSample, endSample, print }) => ({ startSample: audio.startSample + startSample, endSample: audio.startSample + endSample, print }));
  }

  #keep(utteranceId: string, phrases: readonly HeardVoice[]): void {
    if (this.#phraseCount + phrases.length > MAX_PHRASES) return;
    this.#phraseCount += phrases.length;
    this.#phrases.set(utteranceId, phrases);
  }

  /** The session's voice of each phrase; voices heard for the first time are added. */
  async #follow(phrases: readonly HeardVoice[]): Promise<SessionVoice[]> {
    const groups = await this.#options.engine.group(phrases.map(({ print }) => print));
    const voices = this.#joined(phrases, groups).map((print) => this.#place(print));
    return phrases.map((_, index) => voices[groups[index]!]!);
  }

  /** One print per group. */
  #joined(phrases: readonly HeardVoice[], groups: readonly number[]): Voiceprint[] {
    const prints: Voiceprint[] = [];
    for (const [index, { print }] of phrases.entries()) {
      const group = groups[index]!;
      prints[group] = prints[group] ? this.#options.engine.measure.merge(prints[group], print) : print;
    }
    return prints;
  }

  #place(print: Voiceprint): SessionVoice {
    const { measure } = this.#options.engine;
    const [nearest] = this.#voices.map((voice) => ({ voice, difference: measure.difference(print, voice.print) })).toSorted((a, b) => a.difference - b.difference);
    if (nearest && (nearest.difference < 1 || measure.speechSeconds(print) < MIN_NEW_VOICE_SECONDS)) {
      if (nearest.difference < 1) nearest.voice.print = measure.merge(nearest.voice.print, print);
      return nearest.voice;
    }
    const voice: SessionVoice = { print };
    this.#voices.push(voice);
    return voice;
  }

  /** The name of the nearest known voice that is near enough, else a number, given once. */
  #labelOf(voice: SessionVoice, known: readonly KnownVoice[]): SpeakerLabel {
    const { measure } = this.#options.engine;
    const [nearest] = known.map((each) => ({ each, difference: measure.difference(voice.print, each.print) })).toSorted((a, b) => a.difference - b.difference);
    if (nearest && nearest.difference < 1) return { label: nearest.each.displayName, speakerId: nearest.each.speakerId };
    if (voice.number === undefined) {
      voice.number = this.#numbers;
      this.#numbers += 1;
    }
    return unknownSpeaker(voice.number);
  }

  async #tellAgain(utterances: readonly Utterance[]): Promise<readonly Utterance[]> {
    const { engine, knownVoices } = this.#options;
    const phrases = utterances.flatMap(({ id }) => this.#phrases.get(id) ?? []);
    if (phrases.length === 0) return utterances;
    const groups = await engine.group(phrases.map(({ print }) => print));
    const known = await knownVoices();
    this.#numbers = 0;
    const labels = this.#joined(phrases, groups).map((print) => this.#labelOf({ print }, known));
    let before = 0;
    return utterances.map((utterance) => {
      const own = this.#phrases.get(utterance.id) ?? [];
      const first = before;
      before += own.length;
      return own.length === 0 ? utterance : labelled(utterance, own, (index) => labels[groups[first + index]!]!);
    });
  }
}

/** Every word given to the speaker of the phrase in which it lies, or the nearest one. */
function labelled(utterance: Utterance, phrases: readonly HeardVoice[], labelOf: (phrase: number) => SpeakerLabel): Utterance {
  if (phrases.length === 0) return utterance;
  const labels = phrases.map((_, index) => labelOf(index));
  const [first] = labels;
  if (first && labels.every((label) => label.label === first.label && label.speakerId === first.speakerId)) return attributedTo(utterance, first);
  return withAttributedWords(utterance, utterance.words.map((word) => ({ ...word, speaker: labels[phraseOf(word, phrases)]! })));
}

function phraseOf(word: Word, phrases: readonly HeardVoice[]): number {
  const middle = (word.startSample + word.endSample) / 2;
  const distances = phrases.map(({ startSample, endSample }) => Math.max(0, startSample - middle, middle - endSample));
  return distances.indexOf(Math.min(...distances));
}
