import { EarshotError } from '../../src/core/errors.ts';
import type { Offer, OfferedSection } from './offer.ts';

/** Hash of the DTLS certificate of the other side (RFC 8122, section 5). */
export interface Fingerprint {
  readonly algorithm: 'sha-1' | 'sha-224' | 'sha-256' | 'sha-384' | 'sha-512';
  /** Upper-case hexadecimal bytes with colons between. */
  readonly value: string;
}

/** What an offer says about the one connection that its sections share. */
export interface ConnectionOffer {
  /** Another one than before is another ICE session: a restart (RFC 8445, section 9). */
  readonly iceUfrag: string;
  /** The strongest that is offered. Another one than before is another connection. */
  readonly fingerprint: Fingerprint;
  /** Mids of the sections on this connection, in the order of the offer: those bundled with the first that is alive (RFC 8843). */
  readonly mids: readonly string[];
  /** Mids of sections that are alive and want another connection. */
  readonly otherMids: readonly string[];
}

const ALGORITHMS: readonly Fingerprint['algorithm'][] = ['sha-512', 'sha-384', 'sha-256', 'sha-224', 'sha-1'];

/** Reads the connection of an offer. Pure. Throws `SDP_INVALID` where it has no fingerprint that can be checked. */
export function readConnection(offer: Offer): ConnectionOffer {
  const [session = '', ...blocks] = offer.sdp.split(/(?=^m=)/m);
  const alive = offer.sections.filter((section) => section.isReceivable || section.isIdleAudio || section.sctpPort !== undefined);
  const first = alive.find((section) => section.isReceivable) ?? alive[0];
  const bundle = [...session.matchAll(/^a=group:BUNDLE (.*?)\r?$/gm)].map(([, mids = '']) => mids.split(' ')).find((mids) => first !== undefined && mids.includes(first.mid));
  const isCarried = (section: OfferedSection): boolean => section === first || (bundle?.includes(section.mid) ?? false);
  const own = blocks[offer.sections.findIndex((section) => section === first)] ?? '';
  return {
    iceUfrag: valueOf('ice-ufrag', own, session, ...blocks) ?? '',
    fingerprint: strongest(own, session, ...blocks),
    mids: alive.filter(isCarried).map(({ mid }) => mid),
    otherMids: alive.filter((section) => !isCarried(section)).map(({ mid }) => mid),
  };
}

/** Of the first of the texts that has it. */
function valueOf(name: string, ...texts: readonly string[]): string | undefined {
  for (const text of texts) {
    const value = new RegExp(`^a=${name}:(.*?)\\r?$`, 'm').exec(text)?.[1];
    if (value !== undefined) return value;
  }
  return undefined;
}

function strongest(...texts: readonly string[]): Fingerprint {
  for (const text of texts) {
    const offered = [...text.matchAll(/^a=fingerprint:(\S+) ([0-9a-f]{2}(?::[0-9a-f]{2})+)\r?$/gim)].map(([, algorithm = '', value = '']) => ({ algorithm: algorithm.toLowerCase(), value: value.toUpperCase() }));
    for (const algorithm of ALGORITHMS) {
      const match = offered.find((each) => each.algorithm === algorithm);
      if (match) return { algorithm, value: match.value };
    }
  }
  throw new EarshotError('SDP_INVALID', 'The offer has no a=fingerprint that can be checked.');
}
