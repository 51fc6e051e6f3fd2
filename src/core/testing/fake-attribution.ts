import { type Attribution, attributedTo } from '../attribution.ts';
import type { PcmFrame } from '../audio.ts';
import type { SpeakerLabel, Utterance } from '../transcript.ts';

const SOMEBODY: SpeakerLabel = { label: 'Somebody', speakerId: 'spk_1' };

/** Says that everything was said by one person, and keeps what it was asked. */
export class FakeAttribution implements Attribution {
  wantsAudio = true;
  readonly lanes: number[] = [];
  readonly heard: (PcmFrame | undefined)[] = [];
  concluded = 0;

  laneOpened(laneIndex: number): void {
    this.lanes.push(laneIndex);
  }

  speakerOf(): undefined {
    return undefined;
  }

  attribute(utterance: Utterance, audio: PcmFrame | undefined): Promise<Utterance> {
    this.heard.push(audio);
    return Promise.resolve(attributedTo(utterance, SOMEBODY));
  }

  conclude(utterances: readonly Utterance[]): Promise<readonly Utterance[]> {
    this.concluded += 1;
    return Promise.resolve(utterances);
  }
}
