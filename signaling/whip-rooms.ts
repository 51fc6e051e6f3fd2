import { randomUUID } from 'node:crypto';
import { EarshotError, toEarshotError } from '../src/core/errors.ts';
import type { IceCredentials, SdpFragment } from './whip.ts';
import type { IceServer, MediaEngine, Peer, RemoteChannel, RemoteTrack, TrackStats } from '../src/core/media-engine.ts';
import type { Session } from '../src/core/session/session.ts';
import { checkMatch, credentialsOf, isRestart, parseFragment, restartFragment, restartOffer, withDiscardedVideo } from './whip.ts';

/** Somebody who wants to publish. */
export interface PublishRequest {
  readonly tenantId: string;
  /** Publishers of one room share a session. Default: a session of its own. */
  readonly room: string | undefined;
  /** Who speaks. Default: nobody knows. */
  readonly speaker: string | undefined;
  readonly offer: string;
  /** Told of each data channel of the publisher's. Default: they are left alone. */
  readonly onChannel?: (channel: RemoteChannel, session: Session) => void;
  /** Opens the session, if this is the first in the room. */
  readonly open: () => Promise<Session>;
}

/** What a restart of ICE is answered with. */
export interface IceRestart {
  readonly etag: string;
  readonly fragment: string;
}

/** Publishers at a time. */
const MAX_PUBLISHERS = 8;
/** Lanes that a room's session may have in its life: who comes back has a new one. */
export const MAX_ROOM_LANES = 64;
const RETRY_AFTER_SECONDS = 5;

interface Room {
  readonly key: string;
  readonly session: Session;
  /** Those that are still being let in included. */
  publishers: number;
}

/**
 * Publishers by WHIP (RFC 9725) and the sessions they speak in. The first of a room opens its session; when the last has left it ends.
 * Each is a lane under its name, in the session's time.
 */
export class WhipRooms {
  readonly #engine: MediaEngine;
  readonly #rooms = new Map<string, Promise<Room>>();
  readonly #publications = new Map<string, Publication>();

  constructor(engine: MediaEngine) {
    this.#engine = engine;
  }

  get iceServers(): readonly IceServer[] {
    return this.#engine.iceServers;
  }

  /** Throws what the engine, or `open`, refuses with; `CAPACITY_EXCEEDED` where the room is full. */
  async publish(request: PublishRequest): Promise<Publication> {
    const room = await this.#enter(request);
    const id = `pub_${randomUUID()}`;
    const publication = new Publication(id, room.session, request, (reason) => this.#leave(room, id, reason));
    try {
      await publication.start(this.#engine);
      this.#publications.set(id, publication);
    } catch (error) {
      room.publishers -= 1;
      if (room.publishers === 0) await this.#end(room, () => room.session.destroy(toEarshotError(error)));
      throw error;
    }
    return publication;
  }

  /** Throws `NOT_FOUND`, also for another tenant's. */
  find(id: string, tenantId: string): Publication {
    const publication = this.#publications.get(id);
    if (publication?.session.tenantId !== tenantId) throw new EarshotError('NOT_FOUND', 'No such WHIP session.');
    return publication;
  }

  async #enter({ tenantId, room: name, open }: PublishRequest): Promise<Room> {
    const key = JSON.stringify(name === undefined ? [tenantId, null, randomUUID()] : [tenantId, name]);
    for (;;) {
      let opening = this.#rooms.get(key);
      if (!opening) {
        opening = open().then((session) => ({ key, session, publishers: 0 }));
        this.#rooms.set(key, opening);
        opening.catch(() => this.#rooms.delete(key));
      }
      const room = await opening;
      if (room.session.state !== 'open') {
        // It ended by itself, and the next one begins anew.
        if (this.#rooms.get(key) === opening) this.#rooms.delete(key);
        continue;
      }
      if (room.publishers >= MAX_PUBLISHERS) {
        throw new EarshotError('CAPACITY_EXCEEDED', `The room has its ${String(MAX_PUBLISHERS)} publishers.`, { retryAfterSeconds: RETRY_AFTER_SECONDS });
      }
      room.publishers += 1;
      return room;
    }
  }

  /** Once: who is not yet in, or has left, does not leave. */
  async #leave(room: Room, id: string, reason: 'finished' | 'abandoned'): Promise<void> {
    if (!this.#publications.delete(id)) return;
    room.publishers -= 1;
    if (room.publishers === 0) await this.#end(room, () => room.session.close(reason));
  }

  async #end(room: Room, end: () => Promise<void>): Promise<void> {
    this.#rooms.delete(room.key);
    await end();
  }
}

/** One publisher: a peer connection and its entity tag, which names its ICE session. */
export class Publication {
  readonly id: string;
  readonly session: Session;
  readonly #request: PublishRequest;
  readonly #left: (reason: 'finished' | 'abandoned') => Promise<void>;
  #peer: Peer | undefined;
  #answer = '';
  #etag = newEtag();
  #credentials: IceCredentials | undefined;
  readonly #tracks = new Map<string, RemoteTrack>();
  #laneError: unknown;
  #isClosed = false;
  /** PATCHes take effect one after the other. */
  #patched: Promise<unknown> = Promise.resolve();

  constructor(id: string, session: Session, request: PublishRequest, left: (reason: 'finished' | 'abandoned') => Promise<void>) {
    this.id = id;
    this.session = session;
    this.#request = request;
    this.#left = left;
    this.#credentials = credentialsOf(request.offer);
  }

  get answer(): string {
    return this.#answer;
  }

  get etag(): string {
    return this.#etag;
  }

  /** Of each track, by its label. */
  stats(): Record<string, TrackStats> {
    return Object.fromEntries([...this.#tracks].map(([label, track]) => [label, track.stats()]));
  }

  async start(engine: MediaEngine): Promise<void> {
    const { offer, onChannel } = this.#request;
    const peer: Peer = engine.createPeer({
      ...(onChannel && {
        channel: (channel) => {
          onChannel(channel, this.session);
        },
      }),
      track: (track) => {
        this.#hear(track);
      },
      // A publisher by WHIP cannot be asked for another offer (RFC 9725 has no renegotiation): it finds out, and publishes anew.
      reconnect: () => void peer.close(),
      state: (state) => {
        if (state !== 'closed') return;
        this.#isClosed = true;
        void this.#left('abandoned');
      },
    });
    this.#peer = peer;
    void this.session.closed.then(() => peer.close());
    try {
      this.#answer = withDiscardedVideo(offer, await peer.answer(offer));
      if (this.#laneError !== undefined) throw this.#laneError;
      if (this.#isClosed) throw new EarshotError('SESSION_CONFLICT', 'The connection was closed while it was being set up.');
    } catch (error) {
      await peer.close();
      throw error;
    }
  }

  /** Adds candidates, or restarts ICE. Throws `MESSAGE_MALFORMED`, `PRECONDITION_REQUIRED`, `PRECONDITION_FAILED`, and what a restart is refused with: it changes nothing then. */
  patch(body: string, ifMatch: string | undefined): Promise<IceRestart | undefined> {
    const patched = this.#patched.then(() => this.#patch(parseFragment(body), ifMatch));
    this.#patched = patched.catch(() => undefined);
    return patched;
  }

  /** Leaves the room; what was said is heard out. Resolves when the last final is out, if nobody is left. */
  async end(): Promise<void> {
    const left = this.#left('finished');
    await this.#peer?.close();
    await left;
  }

  async #patch(fragment: SdpFragment, ifMatch: string | undefined): Promise<IceRestart | undefined> {
    checkMatch(ifMatch, this.#etag);
    const peer = this.#peer;
    if (!peer) throw new EarshotError('SESSION_CONFLICT', 'The session is still being set up.');
    const restarted = fragment.credentials && isRestart(fragment, this.#credentials) ? await this.#restart(peer, fragment.credentials) : undefined;
    for (const candidate of fragment.candidates) {
      // Section 4.3.1: what cannot be used is dropped, the rest is taken.
      await peer.addCandidate(candidate).catch((error: unknown) => {
        if (!(error instanceof EarshotError) || error.code !== 'ICE_CANDIDATE_INVALID') throw error;
      });
    }
    return restarted;
  }

  async #restart(peer: Peer, credentials: IceCredentials): Promise<IceRestart> {
    const answer = await peer.answer(restartOffer(this.#request.offer, credentials));
    this.#credentials = credentials;
    this.#etag = newEtag();
    return { etag: this.#etag, fragment: restartFragment(answer) };
  }

  #hear(track: RemoteTrack): void {
    const { speaker } = this.#request;
    this.#tracks.set(track.label, track);
    try {
      this.session.addLane(track.source, speaker ?? `${this.id} ${track.label}`, { joins: true, ...(speaker !== undefined && { speaker }) });
    } catch (error) {
      this.#laneError = error;
    }
  }
}

const newEtag = (): string => `"${randomUUID()}"`;
