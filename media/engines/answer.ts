import { SAMPLE_RATE_HZ } from '../../src/core/audio.ts';
import type { RtpFormats } from '../rtp/formats.ts';
import type { OfferedSection } from './offer.ts';

/** What browsers take of themselves for all that can be heard, here for what a lane keeps. With less, words are lost. */
const BITRATE_BPS = 32_000;

/** What a server asks senders for against loss, besides in-band FEC. */
export interface RecoveryMeans {
  /** Redundant audio: each packet carries the one before it whole. Default true. */
  readonly red?: boolean;
  /** Lost packets are asked for again. Default true. */
  readonly nack?: boolean;
}

/** What the packets of the section hold, once it was answered by {@link withOpusParameters}. */
export function formatsOf(section: OfferedSection, means: RecoveryMeans = {}): RtpFormats {
  const opus = section.opusPayloadTypes;
  const red = means.red === false ? [] : section.redPayloadTypes;
  const nack = means.nack !== false;
  return { opus, red, rtx: nack ? section.rtx.filter(({ repeats }) => [...opus, ...red].includes(repeats)) : [], nack };
}

/**
 * The engine's answer with this server's wishes about audio in every section it receives. Pure.
 * - Opus (RFC 7587, section 6.1): nothing above what a lane keeps of it (8 kHz), which costs half to decode; a low-rate copy of each frame in the next packet
 *   (in-band FEC), mono, and DTX where the offer asks for it.
 * - Redundant audio first where it is offered, because senders take the first.
 * - Requests for lost packets (`nack`), even if they were not offered: browsers do not offer them for audio, but honour them.
 * - Round trips of receivers (`rcvr-rtt`, RFC 3611) and reduced-size RTCP where they are offered.
 */
export function withOpusParameters(answerSdp: string, sections: readonly OfferedSection[], means: RecoveryMeans = {}): string {
  let section: OfferedSection | undefined;
  const byMid = new Map(sections.map((offered) => [offered.mid, offered]));
  const blocks = answerSdp.split(/(?=^m=)/m).map((block) => {
    section = byMid.get(/^a=mid:(.*?)\r?$/m.exec(block)?.[1] ?? '');
    return section?.isReceivable ? withParameters(block, section, formatsOf(section, means)) : block;
  });
  return blocks.join('');
}

function withParameters(block: string, section: OfferedSection, { opus, red, rtx, nack }: RtpFormats): string {
  const added = [...red, ...rtx.map(({ payloadType }) => payloadType)];
  const ours = [...opus, ...added];
  const isReplaced = new RegExp(`^a=(?:fmtp:(?:${ours.join('|')}) |rtpmap:(?:${['-', ...added].join('|')}) |rtcp-fb:(?:${ours.join('|')}) nack$|rtcp-rsize$|rtcp-xr:)`);
  const [media = '', ...lines] = block.split('\r\n').filter((line) => !isReplaced.test(line));
  const answered = lines.flatMap((line) => /^a=rtpmap:(\d+) opus\//i.exec(line)?.[1] ?? []).map(Number);
  const formats = lines.flatMap((line) => {
    const payloadType = /^a=rtpmap:(\d+) opus\//i.exec(line)?.[1];
    if (payloadType === undefined) return [line];
    // Some senders take the first that is described, others the first on the media line.
    const before = Number(payloadType) === answered[0] ? redLines(red, answered, nack) : [];
    const fmtp = `a=fmtp:${payloadType} minptime=10;maxplaybackrate=${SAMPLE_RATE_HZ};maxaveragebitrate=${BITRATE_BPS};useinbandfec=1${section.wantsDtx ? ';usedtx=1' : ''}`;
    return [...before, line, fmtp, ...(nack ? [`a=rtcp-fb:${payloadType} nack`] : [])];
  });
  const isAnswered = answered.length > 0;
  const extra = isAnswered ? [...rtx.flatMap(rtxLines), ...rtcpLines(section)] : [];
  const mediaLine = isAnswered ? withFormats(media, red, rtx.map(({ payloadType }) => payloadType)) : media;
  // The block ends with an empty line, which is the last line's end.
  return [mediaLine, ...formats.slice(0, -1), ...extra, ...formats.slice(-1)].join('\r\n');
}

function redLines(red: readonly number[], opus: readonly number[], nack: boolean): string[] {
  return red.flatMap((payloadType) => [
    `a=rtpmap:${String(payloadType)} red/48000/2`,
    `a=fmtp:${String(payloadType)} ${String(opus[0])}/${String(opus[0])}`,
    ...(nack ? [`a=rtcp-fb:${String(payloadType)} nack`] : []),
  ]);
}

const rtxLines = ({ payloadType, repeats }: RtpFormats['rtx'][number]): string[] => [
  `a=rtpmap:${String(payloadType)} rtx/48000/2`,
  `a=fmtp:${String(payloadType)} apt=${String(repeats)}`,
];

const rtcpLines = ({ hasReducedSizeRtcp, hasReceiverRoundTrip }: OfferedSection): string[] => [
  ...(hasReducedSizeRtcp ? ['a=rtcp-rsize'] : []),
  ...(hasReceiverRoundTrip ? ['a=rtcp-xr:rcvr-rtt=all'] : []),
];

/** The media line with formats before and after its own. */
function withFormats(media: string, before: readonly number[], after: readonly number[]): string {
  const [kind = '', port = '', profile = '', ...own] = media.split(' ');
  const kept = own.filter((format) => ![...before, ...after].includes(Number(format)));
  return [kind, port, profile, ...before, ...kept, ...after].map(String).join(' ');
}
