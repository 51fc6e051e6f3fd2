import { SAMPLE_RATE_HZ, samplesToMs } from '../core/audio.ts';
import type { NumberedEvent } from '../core/transcript.ts';
import { type Cue, cuesOf } from './cues.ts';
import { LIVE_VTT_HEAD } from './live-vtt.ts';
import { vttCue } from './vtt.ts';

/** Length of a segment; the last is shorter. */
export const SEGMENT_MS = 4000;
/** An utterance may begin so long before anybody knows of it. */
const LOOK_BACK_SAMPLES = SAMPLE_RATE_HZ;

export interface PlaylistOptions {
  /** The newest so many segments; undefined for all. */
  readonly maxSegments?: number;
  /** Put behind the address of each segment. */
  readonly query: string;
  /** Where the segments are, relative to the playlist. */
  readonly folder: string;
}

/**
 * The settled text of a live session as segments of WebVTT for HLS (RFC 8216). A segment is there once nothing can be said any more that belongs into it, and
 * then it never changes: while an utterance is open, its time waits. Pure: events and positions come in.
 */
export class LiveSegments {
  #cues: Cue[] = [];
  /** Starts of utterances that are not settled, per lane, oldest first. */
  readonly #open = new Map<number, number[]>();
  #settledMs = 0;
  #ended = false;
  /** The last event that was taken. */
  seenSeq = 0;

  /** Segments that are there. */
  get count(): number {
    return this.#ended ? Math.ceil(this.#settledMs / SEGMENT_MS) : Math.floor(this.#settledMs / SEGMENT_MS);
  }

  /** The next event of the session. */
  push(event: NumberedEvent): void {
    this.seenSeq = event.seq;
    switch (event.type) {
      case 'speech.started':
        this.#openOf(event.laneIndex).push(event.atSample);
        return;
      case 'utterance.dismissed':
        this.#openOf(event.laneIndex).shift();
        return;
      case 'utterance.final':
        this.#openOf(event.utterance.laneIndex).shift();
        this.#cues.push(...cuesOf({ utterances: [event.utterance], backend: '', durationMs: 0 }));
        return;
      case 'session.closed':
        this.#ended = true;
        this.#settledMs = Math.max(this.#settledMs, ...event.lanes.map((lane) => samplesToMs(lane.heardSamples)), ...this.#cues.map(({ endMs }) => endMs));
        return;
      default:
        return;
    }
  }

  /** Everything until here was heard. */
  advance(heardThroughSample: number): void {
    if (this.#ended) return;
    const settled = Math.min(heardThroughSample - LOOK_BACK_SAMPLES, ...[...this.#open.values()].map(([oldest = Infinity]) => oldest));
    this.#settledMs = Math.max(this.#settledMs, samplesToMs(settled));
  }

  /** The playlist as it is now. */
  playlist({ maxSegments, query, folder }: PlaylistOptions): string {
    const { count } = this;
    const first = maxSegments === undefined ? 0 : Math.max(0, count - maxSegments);
    const lines = ['#EXTM3U', '#EXT-X-VERSION:3', `#EXT-X-TARGETDURATION:${String(SEGMENT_MS / 1000)}`, `#EXT-X-MEDIA-SEQUENCE:${String(first)}`];
    // Nothing is ever taken away from it.
    if (maxSegments === undefined) lines.push('#EXT-X-PLAYLIST-TYPE:EVENT');
    for (let index = first; index < count; index += 1) {
      const lengthMs = Math.min(SEGMENT_MS, this.#ended ? this.#settledMs - index * SEGMENT_MS : SEGMENT_MS);
      lines.push(`#EXTINF:${(lengthMs / 1000).toFixed(3)},`, `${folder}${String(index)}.vtt${query}`);
    }
    if (this.#ended) lines.push('#EXT-X-ENDLIST');
    return `${lines.join('\n')}\n`;
  }

  /** A segment with every cue that is shown in its time; undefined where it is not there. `mpegTs`: what the video's clock (90 kHz) says at the session's beginning. */
  segment(index: number, mpegTs: number): string | undefined {
    if (index < 0 || index >= this.count) return undefined;
    const startMs = index * SEGMENT_MS;
    const cues = this.#cues.filter((cue) => cue.startMs < startMs + SEGMENT_MS && cue.endMs > startMs).toSorted((a, b) => a.startMs - b.startMs || a.laneIndex - b.laneIndex);
    return [`${LIVE_VTT_HEAD}X-TIMESTAMP-MAP=MPEGTS:${String(mpegTs)},LOCAL:00:00:00.000\n`, ...cues.map(vttCue)].join('\n');
  }

  #openOf(laneIndex: number): number[] {
    const open = this.#open.get(laneIndex) ?? [];
    this.#open.set(laneIndex, open);
    return open;
  }
}

/** Segments in so many seconds. */
export const segmentsIn = (seconds: number): number => Math.ceil((seconds * 1000) / SEGMENT_MS);
