import { z } from 'zod';
import { EarshotError } from '../../core/errors.ts';
import type { Session } from '../../core/session/session.ts';
import { LiveSegments, SEGMENT_MS, segmentsIn } from '../../formats/live-segments.ts';
import { route, type Routes } from '../route-schema.ts';
import { NATIVE_BASE, type HttpServices } from '../services.ts';
import { visibleSession } from './viewers.ts';

const SESSION = `${NATIVE_BASE}/sessions/:id`;
const DEFAULT_WINDOW_SECONDS = 60;
const MAX_WINDOW_SECONDS = 24 * 3600;
/** Ticks of an MPEG transport stream's clock: 33 bits. */
const MAX_MPEG_TS = 2 ** 33 - 1;

const mpegTs = z.coerce.number().int().min(0).max(MAX_MPEG_TS).default(0).describe("What the video's clock (90 kHz) says at the session's beginning.");
const PLAYLIST = route('view', {
  tag: 'Viewers',
  summary: 'The settled text of a live session as an HLS playlist of WebVTT segments',
  description: 'For `EXT-X-MEDIA:TYPE=SUBTITLES`. A segment is there once nothing can be said any more that belongs into it.',
  params: z.object({ id: z.string() }),
  querystring: z.object({
    window: z.coerce.number().int().min(0).max(MAX_WINDOW_SECONDS).default(DEFAULT_WINDOW_SECONDS).describe('Seconds that the playlist holds; 0: all from the beginning.'),
    mpegts: mpegTs,
    token: z.string().optional().describe('A key, or the token of a share link.'),
  }),
  response: { 200: z.string() },
  texts: ['application/vnd.apple.mpegurl'],
  errors: ['RESUME_GAP'],
});
const SEGMENT = route('view', {
  tag: 'Viewers',
  summary: 'One segment of that playlist',
  params: z.object({ id: z.string(), file: z.string().max(64).describe('A name from the playlist') }),
  querystring: z.object({ mpegts: mpegTs, token: z.string().optional() }),
  response: { 200: z.string() },
  texts: ['text/vtt'],
  errors: ['NOT_FOUND', 'RESUME_GAP'],
});

/** Captions for players of HLS. Every session's segments are made once, however many ask. */
export function captionSegmentRoutes(app: Routes, services: HttpServices): void {
  const followed = new WeakMap<Session, FollowedSession>();
  const segmentsOf = (session: Session): Promise<LiveSegments> => {
    let followedSession = followed.get(session);
    if (!followedSession) {
      followedSession = new FollowedSession(session);
      followed.set(session, followedSession);
    }
    return followedSession.now();
  };

  app.get(`${SESSION}/captions.m3u8`, PLAYLIST, async (request, reply) => {
    const segments = await segmentsOf(visibleSession(services, request.caller, request.params.id));
    const { window, mpegts, token } = request.query;
    const query = new URLSearchParams({ ...(mpegts > 0 && { mpegts: String(mpegts) }), ...(token !== undefined && { token }) }).toString();
    const playlist = segments.playlist({ folder: 'captions/', query: query === '' ? '' : `?${query}`, ...(window > 0 && { maxSegments: segmentsIn(window) }) });
    return reply.header('access-control-allow-origin', '*').header('cache-control', `max-age=${String(SEGMENT_MS / 4000)}`).type('application/vnd.apple.mpegurl').send(playlist);
  });

  app.get(`${SESSION}/captions/:file`, SEGMENT, async (request, reply) => {
    const segments = await segmentsOf(visibleSession(services, request.caller, request.params.id));
    const index = /^(\d{1,9})\.vtt$/.exec(request.params.file)?.[1];
    const segment = index === undefined ? undefined : segments.segment(Number(index), request.query.mpegts);
    if (segment === undefined) throw new EarshotError('NOT_FOUND', 'This segment is not there, or not yet.');
    return reply.header('access-control-allow-origin', '*').header('cache-control', 'max-age=3600').type('text/vtt; charset=utf-8').send(segment);
  });
}

/** A session that is read along for its segments, from when somebody first asks for them. */
class FollowedSession {
  readonly #session: Session;
  readonly #segments = new LiveSegments();
  #failure: unknown;
  #waiting: (() => void)[] = [];

  constructor(session: Session) {
    this.#session = session;
    void this.#follow();
  }

  /** As of now. Rejects with `RESUME_GAP` where the session's beginning is no longer kept. */
  async now(): Promise<LiveSegments> {
    const heardThrough = this.#session.heardThrough();
    const { lastSeq } = this.#session;
    while (this.#failure === undefined && this.#segments.seenSeq < lastSeq) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#failure !== undefined) throw this.#failure as Error;
    // What was heard was read before the events that tell of it.
    if (heardThrough !== undefined) this.#segments.advance(heardThrough);
    return this.#segments;
  }

  async #follow(): Promise<void> {
    try {
      for await (const event of this.#session.events()) {
        this.#segments.push(event);
        this.#wake();
      }
    } catch (error) {
      this.#failure = error;
      this.#wake();
    }
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
