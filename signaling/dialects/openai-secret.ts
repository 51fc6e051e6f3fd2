import type { DialectAddress } from './dialect.ts';
import { authorization } from './fields.ts';
import { DEFAULT_SETTINGS, patched, type RealtimeSettings, sessionObject } from './openai-realtime-settings.ts';

const KEY_PROTOCOL = 'openai-insecure-api-key.';
/** A token of this server, then the settings that it was made with. */
const SECRET = /^ek_([\w-]+\.[\w-]+\.[\w-]+)\.([\w-]*)$/;

type Shown = Pick<DialectAddress, 'headers' | 'protocols'>;

/** The key or token that a client shows: as a bearer, or as a subprotocol because browsers cannot set headers. */
export function openaiCredential(shown: Shown): string | undefined {
  const secret = secretOf(shown);
  return secret === undefined ? undefined : (SECRET.exec(secret)?.[1] ?? secret);
}

/** The settings that came with a client secret; else the usual ones. They are no more than what its holder may set anyway, so nobody has to vouch for them. */
export function settingsOfSecret(shown: Shown): RealtimeSettings {
  const [, , packed] = SECRET.exec(secretOf(shown) ?? '') ?? [];
  if (packed === undefined) return DEFAULT_SETTINGS;
  try {
    const settings = patched(DEFAULT_SETTINGS, { audio: JSON.parse(Buffer.from(packed, 'base64url').toString()) as unknown });
    return 'refusal' in settings ? DEFAULT_SETTINGS : settings;
  } catch {
    return DEFAULT_SETTINGS;
  }
}

/** A client secret: `ek_...`. */
export function clientSecret(token: string, settings: RealtimeSettings): string {
  const { audio } = sessionObject(settings, {}) as { readonly audio: object };
  return `ek_${token}.${Buffer.from(JSON.stringify(audio)).toString('base64url')}`;
}

function secretOf({ headers, protocols }: Shown): string | undefined {
  return authorization(headers, 'Bearer') ?? protocols.find((protocol) => protocol.startsWith(KEY_PROTOCOL))?.slice(KEY_PROTOCOL.length);
}
