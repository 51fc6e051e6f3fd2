import { createHmac } from 'node:crypto';
import type { IceServer } from '../src/core/media-engine.ts';

/** A STUN or TURN server as it is configured. */
export interface ConfiguredIceServer extends IceServer {
  /** Shared with the TURN server: its credentials are made from it for each client, and expire. */
  readonly secret?: string;
}

/** coturn only looks at what is before the colon. */
const USER = 'earshot';

/**
 * The servers as clients are told of them. One with a secret gets a name that holds its expiry, and the HMAC-SHA1 of that name as its
 * password (draft-uberti-behave-turn-rest-00, section 2.2; coturn's `use-auth-secret`). Pure.
 */
export function clientIceServers(servers: readonly ConfiguredIceServer[], nowMs: number, validSeconds: number): IceServer[] {
  return servers.map(({ secret, ...server }) => {
    if (secret === undefined) return server;
    const username = `${String(Math.floor(nowMs / 1000) + validSeconds)}:${USER}`;
    return { urls: server.urls, username, credential: createHmac('sha1', secret).update(username).digest('base64') };
  });
}
