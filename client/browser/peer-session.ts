import { isObject } from '../frames.ts';
import { clientProblem } from '../problem.ts';
import type { Server } from '../server.ts';

/** A session that WebRTC can carry, whatever way it goes at the moment. */
export interface PeerSession {
  readonly id: string;
  readonly controlUrl: string;
  /** Shown by who goes on with it over a stream. */
  readonly resumeToken: string;
  readonly iceServers: readonly RTCIceServer[];
}

/** Begins a session; `wish`: further fields of the request. Rejects with `WEBRTC_FAILED` where browsers have no WebRTC (or people turned it off), with the server's own problem where it refuses. */
export async function openPeerSession(server: Server, wish: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<PeerSession> {
  if (typeof RTCPeerConnection === 'undefined') throw clientProblem('WEBRTC_FAILED');
  const session = parseSession(await server.request('POST', 'webrtc/sessions', { body: { ...wish, resumable: true } }));
  if (!signal.aborted) return session;
  endPeerSession(server, session.id);
  throw signal.reason;
}

/** `keepalive`, so that it also works while the page is being left. A session that is gone already is fine. */
export function endPeerSession(server: Server, id: string): void {
  server.request('DELETE', `webrtc/sessions/${id}`, { keepalive: true }).catch(() => undefined);
}

function parseSession(data: unknown): PeerSession {
  const { session_id: id, control_url: controlUrl, ice_servers: iceServers, resume_token: resumeToken } = isObject(data) ? data : {};
  if (typeof id !== 'string' || typeof controlUrl !== 'string' || typeof resumeToken !== 'string') throw clientProblem('WEBRTC_FAILED');
  return { id, controlUrl, resumeToken, iceServers: Array.isArray(iceServers) ? iceServers.filter(isIceServer) : [] };
}

const isIceServer = (value: unknown): value is RTCIceServer => isObject(value) && 'urls' in value;
