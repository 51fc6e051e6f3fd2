import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** Headers of a signed callback. */
export interface SignedHeaders {
  readonly 'x-earshot-event-id': string;
  /** Seconds since 1970 at which this attempt was made. */
  readonly 'x-earshot-timestamp': string;
  /** `v1=` and, in hexadecimal, HMAC-SHA256 over `TIMESTAMP.BODY` with the tenant's secret. */
  readonly 'x-earshot-signature': string;
}

const PREFIX = 'whsec_';

/** A fresh secret: 256 random bits as text. The text itself is the key. */
export function createWebhookSecret(): string {
  return PREFIX + randomBytes(32).toString('base64url');
}

export function signCallback(secret: string, eventId: string, body: string, nowMs: number): SignedHeaders {
  const timestamp = String(Math.floor(nowMs / 1000));
  return {
    'x-earshot-event-id': eventId,
    'x-earshot-timestamp': timestamp,
    'x-earshot-signature': `v1=${digest(secret, timestamp, body)}`,
  };
}

/** What a receiver does. `toleranceSeconds`: how old a callback may be. */
export function isSigned(secret: string, headers: SignedHeaders, body: string, nowMs: number, toleranceSeconds = 300): boolean {
  const timestamp = headers['x-earshot-timestamp'];
  if (!/^\d+$/.test(timestamp) || Math.abs(nowMs / 1000 - Number(timestamp)) > toleranceSeconds) return false;
  const expected = Buffer.from(`v1=${digest(secret, timestamp, body)}`);
  const given = Buffer.from(headers['x-earshot-signature']);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** HMAC-SHA256 over `TIMESTAMP.BODY`, hexadecimal. */
export function digest(secret: string, timestamp: string, body: string): string {
  return createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
}
