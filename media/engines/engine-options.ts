import type { Clock } from '../../src/core/clock.ts';
import type { IceServer } from '../../src/core/media-engine.ts';
import type { RtpSourceOptions } from '../rtp/rtp-source.ts';
import type { RecoveryMeans } from './answer.ts';

/** What every engine is told. */
export interface EngineOptions {
  /** Told to clients; werift also uses them for its own candidates. Default none. */
  readonly iceServers?: readonly IceServer[];
  /** Default 200. */
  readonly maxPeers?: number;
  /** Receivable audio sections of one peer. Default 8. */
  readonly maxTracksPerPeer?: number;
  /** Default 65536. */
  readonly maxSdpBytes?: number;
  /** RTP packets of one peer in a second (werift counts RTCP with them); more are dropped. Default 2000. */
  readonly maxPacketsPerSecond?: number;
  /** A peer without a connection for this long is closed. In ms, default 30,000. */
  readonly idlePeerTimeoutMs?: number;
  /** What senders are asked for against loss. Default all. */
  readonly recovery?: RecoveryMeans;
  /** How tracks buffer and conceal. */
  readonly track?: Omit<RtpSourceOptions, 'clock'>;
  readonly clock?: Clock;
  /** What went wrong inside and was survived. Never holds media or addresses of clients. */
  readonly onWarning?: (message: string, cause?: unknown) => void;
}
