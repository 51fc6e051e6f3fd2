import type { PcmFrame } from './audio.ts';
import type { SpeakerLabel, Utterance, Word } from './transcript.ts';

/**
 * Tells who spoke, for one session. The lane asks it right before a final goes out; what was sent is never changed afterwards.
 * A fault inside costs labels, never words: no method throws or rejects.
 */
export interface Attribution {
  /** Does it want to hear the speech itself? May turn false while the session runs; no audio is kept for it then. */
  readonly wantsAudio: boolean;
  /** A lane begins, of somebody whose name is known if there is one. Called in order of their numbers. */
  laneOpened(laneIndex: number, name?: string): void;
  /** Whose the lane's interims are, where that is known without listening. */
  speakerOf(laneIndex: number): SpeakerLabel | undefined;
  /** The utterance with its speakers as far as they are known by now. `audio` is the utterance's, where it was wanted. */
  attribute(utterance: Utterance, audio: PcmFrame | undefined): Promise<Utterance>;
  /** The same utterances, once the recording was heard whole: labels that use all of it. Called at most once. */
  conclude(utterances: readonly Utterance[]): Promise<readonly Utterance[]>;
}

/** Makes the attribution of a session that asked for speakers, for a tenant whose caller may have them. */
export type AttributionFactory = (request: { readonly tenantId: string }) => Attribution;

/** Label of a voice without a name: `SPEAKER_00`, numbered from 0. */
export function unknownSpeaker(number: number): SpeakerLabel {
  return { label: `SPEAKER_${String(number).padStart(2, '0')}`, speakerId: null };
}

/** Every word and the utterance given to one speaker. */
export function attributedTo(utterance: Utterance, speaker: SpeakerLabel): Utterance {
  return { ...utterance, words: utterance.words.map((word) => ({ ...word, speaker })), speaker };
}

/** An utterance with these words, given to whoever spoke longest in it. */
export function withAttributedWords(utterance: Utterance, words: readonly Word[]): Utterance {
  const spoken = new Map<string, { readonly speaker: SpeakerLabel; samples: number }>();
  for (const { speaker, startSample, endSample } of words) {
    if (!speaker) continue;
    const key = speaker.speakerId ?? speaker.label;
    const entry = spoken.get(key) ?? { speaker, samples: 0 };
    entry.samples += endSample - startSample;
    spoken.set(key, entry);
  }
  const [longest] = [...spoken.values()].toSorted((a, b) => b.samples - a.samples);
  return { ...utterance, words, ...(longest && { speaker: longest.speaker }) };
}

/**
 * The default: where a session has several lanes, each is a speaker of its own, `SPEAKER_00` the first. Nobody's voice is looked
 * at. A session of one lane gets no labels. A lane with a name has that name, however many there are.
 */
export class LaneAttribution implements Attribution {
  readonly wantsAudio = false;
  readonly #firstNumber: number;
  readonly #names = new Map<number, string>();
  #lanes = 0;

  /** `firstNumber`: number of the first lane's label. Default 0. */
  constructor(firstNumber = 0) {
    this.#firstNumber = firstNumber;
  }

  laneOpened(laneIndex: number, name?: string): void {
    this.#lanes = Math.max(this.#lanes, laneIndex + 1);
    if (name !== undefined) this.#names.set(laneIndex, name);
  }

  speakerOf(laneIndex: number): SpeakerLabel | undefined {
    const name = this.#names.get(laneIndex);
    if (name !== undefined) return { label: name, speakerId: null };
    return this.#lanes > 1 ? unknownSpeaker(this.#firstNumber + laneIndex) : undefined;
  }

  attribute(utterance: Utterance): Promise<Utterance> {
    return Promise.resolve(this.#labelled(utterance));
  }

  conclude(utterances: readonly Utterance[]): Promise<readonly Utterance[]> {
    return Promise.resolve(utterances.map((utterance) => this.#labelled(utterance)));
  }

  #labelled(utterance: Utterance): Utterance {
    const speaker = this.speakerOf(utterance.laneIndex);
    return speaker ? attributedTo(utterance, speaker) : utterance;
  }
}
