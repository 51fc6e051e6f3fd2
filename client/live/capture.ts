import type { AudioRing } from '../audio-ring.ts';

/** Sound that is being recorded, mono, with its clock. What has not reached the server yet is in the ring. */
export interface Capture {
  readonly sampleRateHz: number;
  readonly ring: AudioRing;
  /** The sample that is being spoken at this moment. */
  nowSample(): number;
  /** Called whenever the ring has grown; the returned function ends that. */
  onChunk(listener: () => void): () => void;
  /** Resolves when everything heard so far is in the ring. */
  drain(): Promise<void>;
}
