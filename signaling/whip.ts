import { EarshotError } from '../src/core/errors.ts';
import type { IceCandidate, IceServer } from '../src/core/media-engine.ts';

/* The texts of WHIP (RFC 9725): fragments for trickle ICE, entity tags, links. All pure. */

/** One ICE session of one side (RFC 8445): restarting ICE gives it new ones. */
export interface IceCredentials {
  readonly ufrag: string;
  readonly pwd: string;
}

/** A body of type `application/trickle-ice-sdpfrag` (RFC 8840). */
export interface SdpFragment {
  /** Absent where the fragment adds to the session as it is. */
  readonly credentials: IceCredentials | undefined;
  readonly candidates: readonly IceCandidate[];
}

/** Candidates of one fragment; a client that has more sends more fragments. */
const MAX_CANDIDATES = 64;

/** Throws `MESSAGE_MALFORMED`. */
export function parseFragment(text: string): SdpFragment {
  const candidates: IceCandidate[] = [];
  let sdpMid: string | null = null;
  for (const line of text.split(/\r\n|\n|\r/)) {
    if (line !== '' && !/^[a-z]=/.test(line)) throw malformed('A line of the fragment is not of the form x=value.');
    if (line.startsWith('m=')) sdpMid = null;
    if (line.startsWith('a=mid:')) sdpMid = line.slice('a=mid:'.length);
    if (line.startsWith('a=candidate:')) candidates.push({ candidate: line.slice(2), ...(sdpMid === null ? { sdpMLineIndex: 0 } : { sdpMid }) });
  }
  if (candidates.length > MAX_CANDIDATES) throw malformed(`More than ${String(MAX_CANDIDATES)} candidates.`);
  const credentials = credentialsOf(text);
  if (!credentials && candidates.length === 0 && !/^a=(?:end-of-candidates|mid:)/m.test(text)) throw malformed('There is nothing in the fragment.');
  return { credentials, candidates };
}

/** The first there are: with BUNDLE, all sections have the same. */
export function credentialsOf(sdp: string): IceCredentials | undefined {
  const [ufrag, pwd] = ['ufrag', 'pwd'].map((name) => new RegExp(`^a=ice-${name}:([A-Za-z0-9+/]{4,256})\\r?$`, 'm').exec(sdp)?.[1]);
  return ufrag === undefined || pwd === undefined ? undefined : { ufrag, pwd };
}

/** RFC 9725, section 4.3.3: other credentials are a restart, whatever else is in the fragment. */
export function isRestart(fragment: SdpFragment, current: IceCredentials | undefined): boolean {
  const { credentials } = fragment;
  return credentials !== undefined && (credentials.ufrag !== current?.ufrag || credentials.pwd !== current.pwd);
}

/** The offer that the client would have made to restart ICE: its old one with new credentials and no candidates. */
export function restartOffer(offer: string, { ufrag, pwd }: IceCredentials): string {
  return offer
    .replaceAll(/^a=(?:candidate:.*|end-of-candidates)\r?\n/gm, '')
    .replaceAll(/^a=ice-ufrag:.*?(\r?)$/gm, `a=ice-ufrag:${ufrag}$1`)
    .replaceAll(/^a=ice-pwd:.*?(\r?)$/gm, `a=ice-pwd:${pwd}$1`);
}

/** What of an answer a client needs that restarted ICE. */
export function restartFragment(answer: string): string {
  const [session = '', ...sections] = answer.split(/(?=^m=)/m);
  const kept = (block: string, pattern: RegExp): string[] => block.split(/\r\n|\n/).filter((line) => pattern.test(line));
  const section = sections.find((block) => block.includes('a=ice-ufrag:')) ?? '';
  const ofSection = kept(section, /^(?:m=|a=(?:mid|ice-ufrag|ice-pwd|candidate):|a=end-of-candidates)/);
  const ofSession = kept(session, /^a=(?:ice-lite|ice-options:|ice-ufrag:|ice-pwd:|group:BUNDLE)/);
  return [...ofSession, ...ofSection, ''].join('\r\n');
}

/** Checks the `If-Match` of a PATCH (RFC 9110, section 13.1.1). Throws `PRECONDITION_REQUIRED`, `PRECONDITION_FAILED`. */
export function checkMatch(ifMatch: string | undefined, etag: string): void {
  if (ifMatch === undefined) throw new EarshotError('PRECONDITION_REQUIRED', 'Send If-Match with the ETag of the session, or "*" to restart ICE.');
  const tags = ifMatch.split(',').map((tag) => tag.trim());
  // Quoted in the RFC's own examples.
  if (tags.some((tag) => tag === '*' || tag === '"*"' || tag === etag)) return;
  throw new EarshotError('PRECONDITION_FAILED', 'The ICE session has been restarted: that is not its ETag.');
}

/** `Link` values for STUN and TURN servers (section 4.6), one for each address. */
export function iceServerLinks(servers: readonly IceServer[]): string[] {
  return servers.flatMap(({ urls, username, credential }) =>
    [urls].flat().map((url) => {
      const secret = username === undefined || credential === undefined ? '' : `; username="${quoted(username)}"; credential="${quoted(credential)}"; credential-type="password"`;
      return `<${url}>; rel="ice-server"${secret}`;
    }),
  );
}

/**
 * The answer with its refused video sections accepted: nothing is done with video, but WHIP knows no partial success (section 4.2), and encoders
 * that publish both give up where one is refused. Only what shares the transport of an accepted section can be: the rest is left as it is.
 */
export function withDiscardedVideo(offer: string, answer: string): string {
  const [head = '', ...answered] = answer.split(/(?=^m=)/m);
  const offered = new Map(offer.split(/(?=^m=)/m).map((block) => [attribute(block, 'mid'), block]));
  const bundle = attribute(offer, 'group')?.split(' ').slice(1) ?? [];
  const transport = answered.find((block) => !isRefused(block) && bundle.includes(attribute(block, 'mid') ?? ''));
  if (transport === undefined) return answer;
  const mids: string[] = [];
  const sections = answered.map((block) => {
    const mid = attribute(block, 'mid') ?? '';
    const wished = offered.get(mid);
    if (!isRefused(block)) mids.push(mid);
    if (!isRefused(block) || !block.startsWith('m=video') || wished === undefined || !bundle.includes(mid)) return block;
    const accepted = discardedSection(mid, wished, transport);
    if (accepted !== undefined) mids.push(mid);
    return accepted ?? block;
  });
  return [head.replace(/^a=group:BUNDLE.*?(\r?)$/m, `a=group:BUNDLE ${mids.join(' ')}$1`), ...sections].join('');
}

function discardedSection(mid: string, offered: string, transport: string): string | undefined {
  const codec = /^a=rtpmap:(\d+) (?:VP8|VP9|H264|H265|AV1)\/90000\r?$/im.exec(offered);
  if (!codec) return undefined;
  const payloadType = codec[1] ?? '';
  const [fmtp] = new RegExp(`^a=fmtp:${payloadType} .*?$`, 'm').exec(offered) ?? [];
  const shared = transport.split(/\r\n|\n/).filter((line) => /^a=(?:ice-ufrag|ice-pwd|ice-options|fingerprint|setup):/.test(line));
  const own = [`m=video 9 UDP/TLS/RTP/SAVPF ${payloadType}`, 'c=IN IP4 0.0.0.0', 'a=recvonly', `a=mid:${mid}`, 'a=rtcp-mux', codec[0].trim(), ...(fmtp === undefined ? [] : [fmtp.trim()])];
  return [...own, ...shared, ''].join('\r\n');
}

const isRefused = (block: string): boolean => /^m=\S+ 0 /.test(block);
const attribute = (block: string, name: string): string | undefined => new RegExp(`^a=${name}:(.*?)\\r?$`, 'm').exec(block)?.[1];
const quoted = (text: string): string => text.replaceAll(/["\\]/g, '\\$&');
const malformed = (message: string): EarshotError => new EarshotError('MESSAGE_MALFORMED', message);
