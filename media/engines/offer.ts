import { isIP } from 'node:net';
import { EarshotError } from '../../src/core/errors.ts';

/** One `m=` section of an offer. */
export interface OfferedSection {
  readonly kind: string;
  readonly mid: string;
  /** Audio that the other side sends and this side can receive. */
  readonly isReceivable: boolean;
  /** Audio that could be received and is not sent now: muted by its direction, or only wanted from this side. */
  readonly isIdleAudio: boolean;
  /** SCTP port of data channels (RFC 8841); undefined in any other section, and in one that is refused or of the old syntax. */
  readonly sctpPort: number | undefined;
  readonly opusPayloadTypes: readonly number[];
  /** Redundant audio of Opus (RFC 2198). */
  readonly redPayloadTypes: readonly number[];
  /** Retransmissions of these (RFC 4588, section 8.6). */
  readonly rtx: readonly { readonly payloadType: number; readonly repeats: number }[];
  readonly ssrcs: readonly number[];
  /** Number of the MID header extension (RFC 8843, section 15), if it is offered. */
  readonly midExtensionId: number | undefined;
  /** The sender asks to be allowed DTX. */
  readonly wantsDtx: boolean;
  /** RTCP packets may come alone (RFC 5506). */
  readonly hasReducedSizeRtcp: boolean;
  /** The sender answers a receiver's reference time (RFC 3611, section 5). */
  readonly hasReceiverRoundTrip: boolean;
}

export interface Offer {
  /**
   * The description without what the engines do not need: `a=ssrc` lines (packets are routed by {@link OfferedSection}),
   * candidates that cannot be used, and the end-of-candidates mark (see {@link isUsableCandidate}).
   */
  readonly sdp: string;
  readonly sections: readonly OfferedSection[];
}

export interface OfferLimits {
  /** Default 65536. */
  readonly maxSdpBytes: number;
  /** Receivable audio sections. */
  readonly maxTracks: number;
  /** Usable candidates; more are left out. */
  readonly maxCandidates: number;
}

/** Sections of any kind, the stopped ones of a long session included. */
const MAX_SECTIONS = 64;

const CANDIDATE = /^candidate:\S{1,64} (\d{1,5}) (\S{1,8}) \d{1,10} (\S{1,255}) (\d{1,5}) typ (?:host|srflx|prflx|relay)(?: |$)/;

/** Is this the text of an ICE candidate (RFC 8839, section 5.1)? */
export const isCandidate = (text: string): boolean => CANDIDATE.test(text);

/**
 * Can this server send to the candidate? Only UDP to an IP address. Names are left out: `.local` ones would need multicast DNS
 * on the server's network, and others would have it look up what a stranger asks for. Such a client still connects:
 * its checks reach the server and make it known by the address they come from (peer-reflexive). For the same reason the
 * end of candidates is not passed on: with none left, an engine would give up before those checks come.
 */
export function isUsableCandidate(text: string): boolean {
  const [, component, transport, address = '', port] = CANDIDATE.exec(text) ?? [];
  const isUdp = component === '1' && transport?.toLowerCase() === 'udp';
  return isUdp && isIP(address) !== 0 && Number(port) > 0 && Number(port) < 65_536;
}

/**
 * Reads an offer as far as an engine's answer depends on it. Pure.
 * Throws `MESSAGE_TOO_LARGE`, `SDP_INVALID` (no session description, not an offer, nothing to connect to) or, if
 * `needsAudio`, `SDP_NO_AUDIO`.
 */
export function readOffer(sdp: string, limits: OfferLimits, needsAudio: boolean): Offer {
  if (Buffer.byteLength(sdp) > limits.maxSdpBytes) {
    throw new EarshotError('MESSAGE_TOO_LARGE', `The offer is longer than ${String(limits.maxSdpBytes)} bytes.`);
  }
  const blocks = splitSections(sdp);
  const [session = [], ...media] = blocks;
  if (media.length > MAX_SECTIONS) throw invalid(`The offer has more than ${String(MAX_SECTIONS)} media sections.`);
  const sections = media.map((lines) => readSection(lines, session));
  if (new Set(sections.map(({ mid }) => mid)).size < sections.length) throw invalid('Two media sections have the same mid.');
  assertOffer(media, session, sections, needsAudio);
  const receivable = sections.filter((section) => section.isReceivable).length;
  if (receivable > limits.maxTracks) throw invalid(`More than ${String(limits.maxTracks)} audio tracks are offered.`);
  if (receivable === 0 && needsAudio) {
    throw new EarshotError('SDP_NO_AUDIO', 'The offer sends no audio that can be received; Opus is needed.');
  }
  assertTransport(session, media);
  return { sdp: sanitize(blocks, limits.maxCandidates), sections };
}

const invalid = (message: string): EarshotError => new EarshotError('SDP_INVALID', message);

/** The session's lines, then those of each media section. */
function splitSections(sdp: string): string[][] {
  const lines = sdp.split(/\r\n|\n|\r/).filter((line) => line !== '');
  if (lines[0] !== 'v=0') throw invalid('That is not a session description.');
  const blocks: string[][] = [[]];
  for (const line of lines) {
    if (!/^[a-z]=/.test(line)) throw invalid('A line of the session description is not of the form x=value.');
    if (line.startsWith('m=')) blocks.push([]);
    blocks.at(-1)?.push(line);
  }
  return blocks;
}

const attribute = (lines: readonly string[], name: string): string | undefined =>
  lines.find((line) => line.startsWith(`a=${name}:`))?.slice(name.length + 3);

const attributes = (lines: readonly string[], name: string): string[] =>
  lines.filter((line) => line.startsWith(`a=${name}:`)).map((line) => line.slice(name.length + 3));

function payloadTypesOf(lines: readonly string[], encoding: RegExp): number[] {
  return attributes(lines, 'rtpmap').flatMap((value) => {
    const payloadType = encoding.exec(value)?.[1];
    return payloadType === undefined ? [] : [Number(payloadType)];
  });
}

const parametersOf = (lines: readonly string[], payloadType: number): string =>
  attributes(lines, 'fmtp').find((value) => value.startsWith(`${String(payloadType)} `))?.replace(/^\S+ +/, '') ?? '';

function directionOf(lines: readonly string[]): string | undefined {
  return lines.find((line) => /^a=(?:sendrecv|sendonly|recvonly|inactive)$/.test(line))?.slice(2);
}

function readSection(lines: readonly string[], session: readonly string[]): OfferedSection {
  const [, kind, port, profile] = /^m=(\S+) (\d{1,5}) ([A-Z/]+) \S+/.exec(lines[0] ?? '') ?? [];
  if (kind === undefined) throw invalid('A media section cannot be read.');
  if (!['audio', 'video', 'application'].includes(kind)) throw invalid('A media section is of an unknown kind.');
  const mid = attribute(lines, 'mid');
  if (mid === undefined || !/^[\w.+~!#$%&'*`^{}|-]{1,64}$/.test(mid)) throw invalid('A media section has no mid.');
  const opusPayloadTypes = payloadTypesOf(lines, /^(\d{1,3}) opus\/48000\/2$/i);
  const redPayloadTypes = payloadTypesOf(lines, /^(\d{1,3}) red\/48000\/2$/i).filter((payloadType) =>
    opusPayloadTypes.some((opus) => parametersOf(lines, payloadType).startsWith(`${String(opus)}/`)),
  );
  const rtx = payloadTypesOf(lines, /^(\d{1,3}) rtx\/48000(?:\/2)?$/i).flatMap((payloadType) => {
    const repeats = Number(/\bapt=(\d{1,3})\b/.exec(parametersOf(lines, payloadType))?.[1] ?? NaN);
    return [...opusPayloadTypes, ...redPayloadTypes].includes(repeats) ? [{ payloadType, repeats }] : [];
  });
  const direction = directionOf(lines) ?? directionOf(session) ?? 'sendrecv';
  const isAlive = port !== '0' || lines.includes('a=bundle-only');
  const isSecure = profile?.endsWith('/TLS/RTP/SAVPF') ?? false;
  const isHearable = kind === 'audio' && isAlive && isSecure && opusPayloadTypes.length > 0;
  const sctpPort = attribute(lines, 'sctp-port');
  const midExtension = attributes(lines, 'extmap').find((value) => value.includes('urn:ietf:params:rtp-hdrext:sdes:mid'));
  return {
    kind,
    mid,
    isReceivable: isHearable && direction.startsWith('send'),
    isIdleAudio: isHearable && !direction.startsWith('send'),
    sctpPort: kind === 'application' && isAlive && sctpPort !== undefined && /^\d{1,5}$/.test(sctpPort) ? Number(sctpPort) : undefined,
    opusPayloadTypes,
    redPayloadTypes,
    rtx,
    ssrcs: [...new Set(attributes(lines, 'ssrc').map((value) => Number.parseInt(value, 10)))].filter(Number.isInteger),
    midExtensionId: midExtension === undefined ? undefined : Number.parseInt(midExtension, 10),
    wantsDtx: attributes(lines, 'fmtp').some((value) => /\busedtx=1\b/.test(value)),
    hasReducedSizeRtcp: lines.includes('a=rtcp-rsize'),
    hasReceiverRoundTrip: attributes(lines, 'rtcp-xr').some((value) => /\brcvr-rtt\b/.test(value)),
  };
}

/**
 * Nothing in a description says that it is an answer, but an offerer leaves the DTLS role open (`actpass`) or, as RFC 9725,
 * section 4.2, allows, takes the active one. A passive role is an answer's, and so is an active one that only listens, unless it was agreed before.
 */
function assertOffer(media: readonly string[][], session: readonly string[], sections: readonly OfferedSection[], isFirst: boolean): void {
  const roles = media.map((lines) => attribute(lines, 'setup') ?? attribute(session, 'setup'));
  const onlyListens = isFirst && !sections.some((section) => section.isReceivable) && roles.every((role) => role === 'active');
  if (roles.includes('passive') || (roles.length > 0 && onlyListens)) {
    throw invalid('That is an answer; an offer is needed.');
  }
}

function assertTransport(session: readonly string[], media: readonly string[][]): void {
  for (const name of ['ice-ufrag', 'ice-pwd', 'fingerprint']) {
    const isThere = [session, ...media].some((lines) => attribute(lines, name) !== undefined);
    if (!isThere) throw invalid(`The offer has no a=${name}.`);
  }
}

function sanitize(blocks: readonly string[][], maxCandidates: number): string {
  let candidates = 0;
  const kept = blocks.flat().filter((line) => {
    if (/^a=(?:ssrc|ssrc-group|end-of-candidates)(?::|$)/.test(line)) return false;
    if (!line.startsWith('a=candidate:')) return true;
    candidates += isUsableCandidate(line.slice(2)) ? 1 : 0;
    return isUsableCandidate(line.slice(2)) && candidates <= maxCandidates;
  });
  return `${kept.join('\r\n')}\r\n`;
}
