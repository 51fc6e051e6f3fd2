import type { Clock } from '../src/core/clock.ts';
import { EarshotError, toEarshotError } from '../src/core/errors.ts';
import type { IceCandidate, IceServer, MediaEngine, Peer, RemoteChannel, TrackStats } from '../src/core/media-engine.ts';
import type { Session } from '../src/core/session/session.ts';
import { Attendance } from './attendance.ts';
import type { Handover } from './handover/handover.ts';

export interface WebRtcSessionsOptions {
  readonly engine: MediaEngine;
  readonly clock: Clock;
  /** How long an ended session can still be read by its control socket. Default 60 s. */
  readonly retainMs?: number;
}

export interface OpenOptions {
  /** Told of each data channel. Default: they are left alone. */
  readonly onChannel?: (channel: RemoteChannel) => void;
  /** The client can send a further offer, and is told when one is needed. Default true; a session that cannot ends when its way is lost. */
  readonly takesOffers?: boolean;
  /** What the session goes on with when its peer is gone. Default: it ends with it. */
  readonly handover?: Handover;
}

interface WebRtcSession {
  readonly session: Session;
  readonly options: OpenOptions;
  readonly stats: Map<string, () => TrackStats>;
  readonly attendance: Attendance;
  /** Undefined while the last one is gone and the next has not come. */
  peer: Peer | undefined;
  /** The last offer that the peer which is there has answered. */
  offered: string | undefined;
}

const DEFAULT_RETAIN_MS = 60_000;
/** Ended sessions kept for late control sockets; beyond, the oldest go first. */
const MAX_RETAINED = 1000;

/** Pairs each WebRTC session with its peer connection: tracks become lanes, and each ends the other. */
export class WebRtcSessions {
  readonly #options: WebRtcSessionsOptions;
  readonly #entries = new Map<string, WebRtcSession>();
  readonly #retained = new Map<string, () => void>();

  constructor(options: WebRtcSessionsOptions) {
    this.#options = options;
  }

  get iceServers(): readonly IceServer[] {
    return this.#options.engine.iceServers;
  }

  get engineId(): string {
    return this.#options.engine.id;
  }

  /** Sessions that have a peer, or can still be read. */
  get size(): number {
    return this.#entries.size;
  }

  /** Peer connections, whatever their state. */
  get peerCount(): number {
    return this.#options.engine.peerCount;
  }

  /** Takes over a fresh session. With an offer resolves with the answer; if that fails the session is destroyed. */
  async open(session: Session, offerSdp: string | undefined, options: OpenOptions = {}): Promise<string | undefined> {
    try {
      const stats = new Map<string, () => TrackStats>();
      const attendance = new Attendance({
        clock: this.#options.clock,
        packets: () => [...stats.values()].reduce((sum, read) => sum + read().packetsReceived, 0),
        isAwaited: () => entry.peer === undefined || options.handover?.isBridged === true,
        abandoned: () => void session.close('abandoned'),
      });
      const entry: WebRtcSession = { session, options, stats, attendance, peer: undefined, offered: undefined };
      this.#givePeer(entry);
      this.#entries.set(session.id, entry);
      void session.closed.then(() => {
        this.#retire(entry);
      });
      return offerSdp === undefined ? undefined : await this.offer(session.id, session.tenantId, offerSdp);
    } catch (error) {
      await session.destroy(toEarshotError(error));
      this.#forget(session.id);
      throw error;
    }
  }

  /** The first peer of a session, or one in place of that which is gone. */
  #givePeer(entry: WebRtcSession): Peer {
    const { session, options, stats } = entry;
    const { onChannel, handover, takesOffers = true } = options;
    let gone: () => void = () => undefined;
    const peer = this.#options.engine.createPeer({
      track: (track) => {
        stats.set(track.label, () => track.stats());
        const source = handover ? handover.splice(track.source) : track.source;
        try {
          if (source) session.addLane(source, track.label, { joins: true });
        } catch {
          // Too many tracks, or the session is closing: the track is not heard, which `addLane` made sure of.
        }
      },
      ...(onChannel && { channel: onChannel }),
      reconnect: () => {
        if (takesOffers) session.tell({ type: 'session.reconnect' });
        else void session.close('abandoned');
      },
      state: (state) => {
        if (state !== 'closed') return;
        if (entry.peer === peer) entry.peer = undefined;
        if (handover) gone();
        else void session.close('abandoned');
      },
    });
    entry.peer = peer;
    entry.offered = undefined;
    if (handover) gone = handover.own(() => peer.close());
    return peer;
  }

  /** The tenant's session, live or just ended. Throws `NOT_FOUND`, also for another tenant's. */
  find(id: string, tenantId: string): Session {
    return this.#entry(id, tenantId).session;
  }

  /** The client's control socket has joined; see {@link Attendance.join}. */
  attend(id: string, tenantId: string): (closeCode: number | undefined) => void {
    return this.#entry(id, tenantId).attendance.join();
  }

  /** Per track label, what was counted so far. */
  stats(id: string, tenantId: string): Record<string, TrackStats> {
    return Object.fromEntries([...this.#entry(id, tenantId).stats].map(([label, read]) => [label, read()]));
  }

  async offer(id: string, tenantId: string, sdp: string): Promise<string> {
    const entry = this.#live(id, tenantId);
    const { peer, offered, options } = entry;
    // What came over a connection that the client has given up is not the beginning of what comes over the next.
    if (peer && offered !== undefined && options.handover?.isBridged === true && certificateOf(offered) !== certificateOf(sdp)) await peer.close();
    const answer = await (entry.peer ?? this.#givePeer(entry)).answer(sdp);
    entry.offered = sdp;
    return answer;
  }

  async addCandidate(id: string, tenantId: string, candidate: IceCandidate | null): Promise<void> {
    const entry = this.#live(id, tenantId);
    if (!entry.peer || entry.offered === undefined) throw new EarshotError('SESSION_CONFLICT', 'Send the offer before its candidates.');
    await entry.peer.addCandidate(candidate);
  }

  /** Hears out what has arrived and ends the session. Resolves when the last final is out. */
  async finish(id: string, tenantId: string): Promise<void> {
    await this.#live(id, tenantId).session.close('finished');
  }

  #entry(id: string, tenantId: string): WebRtcSession {
    const entry = this.#entries.get(id);
    if (entry?.session.tenantId !== tenantId) throw new EarshotError('NOT_FOUND', 'No such session.');
    return entry;
  }

  #live(id: string, tenantId: string): WebRtcSession {
    const entry = this.#entry(id, tenantId);
    if (entry.session.state !== 'open') throw new EarshotError('NOT_FOUND', 'The session has ended.');
    return entry;
  }

  #retire({ session: { id }, peer, attendance }: WebRtcSession): void {
    void peer?.close();
    attendance.close();
    if (!this.#entries.has(id)) return;
    const forget = (): void => {
      this.#forget(id);
    };
    const cancel = this.#options.clock.setTimer(this.#options.retainMs ?? DEFAULT_RETAIN_MS, forget);
    this.#retained.set(id, cancel);
    const [oldest] = this.#retained.keys();
    if (this.#retained.size > MAX_RETAINED && oldest !== undefined) this.#forget(oldest);
  }

  #forget(id: string): void {
    this.#retained.get(id)?.();
    this.#retained.delete(id);
    this.#entries.delete(id);
  }

  /** Cancels what is left to time; sessions are drained by their owner. */
  close(): void {
    for (const id of [...this.#retained.keys()]) this.#forget(id);
  }
}

/** Tells one connection of a client from another. */
const certificateOf = (sdp: string): string | undefined => /^a=fingerprint:.*$/im.exec(sdp)?.[0].trim();
