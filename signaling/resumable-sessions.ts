import { randomBytes, timingSafeEqual } from 'node:crypto';
import { type AudioDecoder, type AudioFormat, samplesToMs, secondsToSamples } from '../src/core/audio.ts';
import type { Clock } from '../src/core/clock.ts';
import { EarshotError } from '../src/core/errors.ts';
import type { Session } from '../src/core/session/session.ts';
import type { ObserveStage } from '../src/core/stages.ts';
import type { Connection } from './connection.ts';
import type { ResumePoint } from './dialects/dialect.ts';
import { ScaiEchoConversation, type KeptStream } from './dialects/scaiecho.ts';
import { Handover } from './handover/handover.ts';
import type { Patience } from './patience.ts';
import { ResumableStream } from './resumable-stream.ts';

export interface ResumableSessionsOptions {
  readonly decode: AudioDecoder;
  readonly clock: Clock;
  readonly onFault: (error: EarshotError) => void;
  readonly observe?: ObserveStage;
  readonly patience?: Partial<Patience>;
}

/** How long a session waits for its client to come back, in ms: it keeps its recognizer meanwhile. */
const LOST_MS = 30_000;

const LEFT = JSON.stringify({ type: 'left' });

interface Kept extends KeptStream {
  readonly session: Session;
  readonly handover: Handover | undefined;
  /** Absent while a peer has the client. */
  stream: ResumableStream | undefined;
  /** Bytes of the last stream that its client left for a peer: told again to who did not hear it. */
  left: number | undefined;
}

/** Sessions of the native API whose clients may come back: to a stream that was lost, or from WebRTC to a stream. */
export class ResumableSessions {
  readonly #options: ResumableSessionsOptions;
  readonly #kept = new Map<string, Kept>();

  constructor(options: ResumableSessionsOptions) {
    this.#options = options;
  }

  /** Serves the first connection of a fresh session, in whose stream the client counts. Resolves when the connection is gone. */
  async begin(session: Session, connection: Connection, format: AudioFormat): Promise<void> {
    const kept = this.#keep(session, undefined);
    await this.#streamOf(kept).attach(connection, { conversation: new ScaiEchoConversation({ kept }), position: 0, afterSeq: 0, format });
  }

  /** A WebRTC session whose client may go on over a stream. Answers what it shows then, and what the session's tracks are to go through. */
  offer(session: Session): { readonly token: string; readonly handover: Handover } {
    const handover = new Handover({
      lost: () => {
        if (session.state === 'open') this.#streamOf(kept);
      },
      holed: () => {
        if (session.state === 'open') session.tell({ type: 'session.reconnect' });
      },
      found: () => {
        void kept.stream?.release();
        kept.stream = undefined;
      },
    });
    const kept = this.#keep(session, handover);
    return { token: kept.token, handover };
  }

  /** Serves the next connection of a client that has come back. Throws `NOT_FOUND`, also for another tenant's or a wrong token, and `RESUME_GAP` where its events are gone. */
  async resume(tenantId: string, point: ResumePoint, connection: Connection, format: AudioFormat): Promise<void> {
    const kept = this.#kept.get(point.sessionId);
    if (kept?.session.tenantId !== tenantId || !isSame(kept.token, point.token)) throw new EarshotError('NOT_FOUND', 'There is no such session to resume.');
    if (point.position > 0 && point.position === kept.left) {
      await connection.send(LEFT);
      connection.close(1000, 'left');
      await connection.closed;
      return;
    }
    const stream = this.#streamOf(kept);
    const replayFrom = stream.position === 0 ? await kept.handover?.cut() : undefined;
    const greeting = (position: number): string[] => [
      JSON.stringify({ type: 'resumed', session_id: kept.session.id, position, ...(replayFrom !== undefined && { replay_from: Math.round(samplesToMs(replayFrom)) / 1000 }) }),
    ];
    await stream.attach(connection, { conversation: new ScaiEchoConversation({ kept }), position: point.position, afterSeq: point.afterSeq, format, greeting });
  }

  /** The server stops: nobody is waited for. */
  close(): void {
    for (const { stream } of this.#kept.values()) stream?.close();
  }

  #keep(session: Session, handover: Handover | undefined): Kept {
    const kept: Kept = {
      session,
      handover,
      token: randomBytes(24).toString('base64url'),
      stream: undefined,
      left: undefined,
      get position() {
        return this.stream?.position ?? 0;
      },
    };
    this.#kept.set(session.id, kept);
    void session.closed.then(async () => {
      // Who was away has a while to fetch the end.
      await kept.stream?.over;
      this.#kept.delete(session.id);
    });
    return kept;
  }

  #streamOf(kept: Kept): ResumableStream {
    const { session, handover } = kept;
    const { decode, clock, onFault, observe, patience } = this.#options;
    kept.stream ??= new ResumableStream({
      session,
      decode,
      clock,
      onFault,
      patience: { joinMs: LOST_MS, lostMs: LOST_MS, ...patience },
      ...(observe && { observe }),
      ...(handover && {
        addLanes: (lanes) => {
          handover.goOn(session, lanes);
        },
        onLeave: async (overlapSeconds) => {
          const stream = kept.stream;
          if (!stream) return;
          kept.stream = undefined;
          kept.left = stream.position;
          handover.leave(session, stream.position === 0 ? 0 : secondsToSamples(overlapSeconds));
          await stream.release(LEFT);
        },
      }),
    });
    return kept.stream;
  }
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
