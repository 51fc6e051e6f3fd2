import type { OfferedSection } from './offer.ts';

/**
 * The engine's answer with this server's wishes about Opus (RFC 7587, section 6.1) in every section it receives:
 * a copy of each frame in the next packet (in-band FEC), mono, and DTX where the offer asks for it. Pure.
 */
export function withOpusParameters(answerSdp: string, sections: readonly OfferedSection[]): string {
  let section: OfferedSection | undefined;
  const byMid = new Map(sections.map((offered) => [offered.mid, offered]));
  const blocks = answerSdp.split(/(?=^m=)/m).map((block) => {
    section = byMid.get(/^a=mid:(.*?)\r?$/m.exec(block)?.[1] ?? '');
    return section?.isReceivable ? withParameters(block, section) : block;
  });
  return blocks.join('');
}

function withParameters(block: string, section: OfferedSection): string {
  const lines = block.split('\r\n');
  const isOldParameter = (line: string): boolean =>
    section.opusPayloadTypes.some((payloadType) => line.startsWith(`a=fmtp:${String(payloadType)} `));
  return lines
    .filter((line) => !isOldParameter(line))
    .flatMap((line) => {
      const payloadType = /^a=rtpmap:(\d+) opus\//i.exec(line)?.[1];
      if (payloadType === undefined) return [line];
      return [line, `a=fmtp:${payloadType} minptime=10;useinbandfec=1${section.wantsDtx ? ';usedtx=1' : ''}`];
    })
    .join('\r\n');
}
