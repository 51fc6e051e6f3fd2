import type { Fingerprint } from './connection-offer.ts';
import type { Offer, OfferedSection } from './offer.ts';

/** An address at which this side waits for checks. */
export interface LocalCandidate {
  readonly protocol: 'udp' | 'tcp';
  readonly address: string;
  readonly port: number;
}

/** This side of a connection. */
export interface LocalConnection {
  readonly iceUfrag: string;
  readonly icePwd: string;
  readonly fingerprint: Fingerprint;
  /** The best first. */
  readonly candidates: readonly LocalCandidate[];
  readonly sctpPort: number;
  readonly maxMessageBytes: number;
  /** Grows with every answer of one connection. */
  readonly version: number;
}

const MID_EXTENSION = 'urn:ietf:params:rtp-hdrext:sdes:mid';

/**
 * Writes the answer to an offer: ICE-lite, DTLS passive, every candidate in it, the sections named in `mids` accepted
 * and all others refused. What it says about Opus is the least; see `withOpusParameters`. Pure.
 */
export function writeAnswer(offer: Offer, mids: readonly string[], local: LocalConnection): string {
  const blocks = offer.sdp.split(/(?=^m=)/m).slice(1);
  const sections = offer.sections.map((section, i) => (mids.includes(section.mid) ? acceptedSection(section, local) : refusedSection(section, blocks[i] ?? '')));
  const head = [
    'v=0',
    `o=- ${String(sessionNumber(local.iceUfrag))} ${String(local.version)} IN IP4 127.0.0.1`,
    's=-',
    't=0 0',
    'a=ice-lite',
    ...(mids.length > 0 && /^a=group:BUNDLE/m.test(offer.sdp) ? [`a=group:BUNDLE ${mids.join(' ')}`] : []),
    'a=msid-semantic: WMS *',
  ];
  return [...head, ...sections.flat(), ''].join('\r\n');
}

function acceptedSection(section: OfferedSection, local: LocalConnection): string[] {
  const { iceUfrag, icePwd, fingerprint, candidates } = local;
  return [
    ...(section.sctpPort === undefined ? audioLines(section) : channelLines(section, local)),
    `a=ice-ufrag:${iceUfrag}`,
    `a=ice-pwd:${icePwd}`,
    `a=fingerprint:${fingerprint.algorithm} ${fingerprint.value}`,
    'a=setup:passive',
    ...candidates.map(candidateLine),
    'a=end-of-candidates',
  ];
}

function audioLines({ mid, opusPayloadTypes, midExtensionId, isReceivable }: OfferedSection): string[] {
  return [
    `m=audio 9 UDP/TLS/RTP/SAVPF ${opusPayloadTypes.join(' ')}`,
    'c=IN IP4 0.0.0.0',
    `a=mid:${mid}`,
    isReceivable ? 'a=recvonly' : 'a=inactive',
    'a=rtcp-mux',
    ...opusPayloadTypes.map((payloadType) => `a=rtpmap:${String(payloadType)} opus/48000/2`),
    ...(midExtensionId === undefined ? [] : [`a=extmap:${String(midExtensionId)} ${MID_EXTENSION}`]),
  ];
}

function channelLines({ mid }: OfferedSection, { sctpPort, maxMessageBytes }: LocalConnection): string[] {
  return [
    'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
    'c=IN IP4 0.0.0.0',
    `a=mid:${mid}`,
    `a=sctp-port:${String(sctpPort)}`,
    `a=max-message-size:${String(maxMessageBytes)}`,
  ];
}

/** Refused by its port (RFC 3264, section 6); the rest of the line is as offered. */
function refusedSection({ mid }: OfferedSection, block: string): string[] {
  const [line = ''] = block.split(/\r?\n/, 1);
  return [line.replace(/^(m=\S+) \d+/, '$1 0'), 'c=IN IP4 0.0.0.0', `a=mid:${mid}`, 'a=inactive'];
}

/** RFC 8445, section 5.1.2.1, and RFC 6544, section 4.2: UDP before TCP, and the earlier of the list before the later. */
function candidateLine({ protocol, address, port }: LocalCandidate, index: number): string {
  const HOST_UDP = 126;
  const HOST_TCP = 90;
  const typePreference = protocol === 'udp' ? HOST_UDP : HOST_TCP;
  const localPreference = 65_535 - index;
  const priority = typePreference * 2 ** 24 + localPreference * 2 ** 8 + 255;
  const suffix = protocol === 'tcp' ? ' tcptype passive' : '';
  return `a=candidate:${protocol}${String(index)} 1 ${protocol} ${String(priority)} ${address} ${String(port)} typ host${suffix}`;
}

/** A number for the `o=` line that is the same in all answers of a connection and of no other. */
function sessionNumber(text: string): number {
  return Buffer.from(text).reduce((number, byte) => (number * 31 + byte) % 2 ** 40, 7);
}
