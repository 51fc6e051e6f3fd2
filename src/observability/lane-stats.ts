import { SAMPLE_RATE_HZ } from '../core/audio.ts';
import type { MediaEngine, RemoteTrack, TrackStats } from '../core/media-engine.ts';

type Name = keyof TrackStats;

interface Counter {
  readonly name: string;
  readonly labels?: string;
  readonly of: Name;
  /** Of one in the statistics. Default 1. */
  readonly unit?: number;
}

const COUNTERS: readonly Counter[] = [
  { name: 'packets_received_total', of: 'packetsReceived' },
  { name: 'packets_lost_total', of: 'packetsLost' },
  { name: 'packets_late_total', of: 'packetsLate' },
  { name: 'packets_reordered_total', of: 'packetsReordered' },
  { name: 'packets_recovered_total', labels: '{by="fec"}', of: 'recoveredByFec' },
  { name: 'packets_recovered_total', labels: '{by="red"}', of: 'recoveredByRed' },
  { name: 'packets_recovered_total', labels: '{by="retransmission"}', of: 'recoveredByRetransmission' },
  { name: 'retransmissions_asked_total', of: 'retransmissionsAsked' },
  { name: 'concealed_seconds_total', of: 'concealedSamples', unit: 1 / SAMPLE_RATE_HZ },
  { name: 'gap_seconds_total', of: 'gapSamples', unit: 1 / SAMPLE_RATE_HZ },
];

const GAUGES: readonly { readonly name: string; readonly of: Name; readonly unit: number }[] = [
  { name: 'jitter_seconds', of: 'jitterMs', unit: 1e-3 },
  { name: 'target_delay_seconds', of: 'targetDelayMs', unit: 1e-3 },
  { name: 'buffer_seconds', of: 'bufferMs', unit: 1e-3 },
  { name: 'round_trip_seconds', of: 'roundTripMs', unit: 1e-3 },
  { name: 'drift_ratio', of: 'driftPpm', unit: 1e-6 },
];
const QUANTILES = [0.5, 0.95, 1] as const;

/**
 * What happened to the packets of all WebRTC lanes. A metric per lane would make a time series of each; who wants to know of one lane asks its
 * session (`stats`).
 */
export class LaneStats {
  readonly #tracks = new Set<RemoteTrack>();
  /** Of lanes that have ended. */
  readonly #ended = new Map<Name, number>();

  /** The engine, with its tracks counted from now on. */
  watch(engine: MediaEngine): MediaEngine {
    return {
      id: engine.id,
      get iceServers() {
        return engine.iceServers;
      },
      get peerCount() {
        return engine.peerCount;
      },
      createPeer: (handlers) => {
        const tracks: RemoteTrack[] = [];
        return engine.createPeer({
          ...handlers,
          track: (track) => {
            tracks.push(track);
            this.#tracks.add(track);
            handlers.track(track);
          },
          state: (state) => {
            if (state === 'closed') for (const track of tracks.splice(0)) this.#end(track);
            handlers.state(state);
          },
        });
      },
      close: () => engine.close(),
    };
  }

  /** In Prometheus' text format: counters over all lanes, and quantiles over those of now. */
  lines(): string[] {
    const now = [...this.#tracks].map((track) => track.stats());
    const lines = ['# TYPE earshot_media_lanes gauge', `earshot_media_lanes ${String(now.length)}`];
    let last = '';
    for (const { name, labels = '', of, unit = 1 } of COUNTERS) {
      if (name !== last) lines.push(`# TYPE earshot_media_${name} counter`);
      last = name;
      const sum = now.reduce((total, stats) => total + (stats[of] ?? 0), this.#ended.get(of) ?? 0);
      lines.push(`earshot_media_${name}${labels} ${number(sum * unit)}`);
    }
    for (const { name, of, unit } of GAUGES) {
      const values = now.flatMap((stats) => stats[of] ?? []).map((value) => Math.abs(value) * unit).sort((one, other) => one - other);
      lines.push(`# TYPE earshot_media_${name} gauge`);
      for (const quantile of QUANTILES) {
        const value = values[Math.max(0, Math.ceil(values.length * quantile) - 1)];
        if (value !== undefined) lines.push(`earshot_media_${name}{quantile="${String(quantile)}"} ${number(value)}`);
      }
    }
    return lines;
  }

  #end(track: RemoteTrack): void {
    this.#tracks.delete(track);
    const stats = track.stats();
    for (const { of } of COUNTERS) this.#ended.set(of, (this.#ended.get(of) ?? 0) + (stats[of] ?? 0));
  }
}

/** Without the last digits of floating point. */
const number = (value: number): string => String(Number(value.toPrecision(12)));
