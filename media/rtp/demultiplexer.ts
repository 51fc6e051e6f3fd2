/** What a media section of the session description says about its packets. */
export interface RtpSection {
  readonly mid: string;
  readonly payloadTypes: readonly number[];
  /** Announced with `a=ssrc`; may be empty. */
  readonly ssrcs: readonly number[];
}

/** Streams remembered on one transport. A sender that changes its SSRC more often loses the oldest. */
const MAX_SSRCS = 256;

/**
 * Finds the media section of each packet that arrives on one transport (RFC 8843, section 9.2): by the MID header
 * extension, else by an SSRC that is known from the description or from an earlier packet, else by a payload type
 * that only one section takes. Pure.
 */
export class Demultiplexer {
  #sections: readonly RtpSection[] = [];
  readonly #midOfSsrc = new Map<number, string>();
  /** By mid. */
  readonly #known = new Map<string, RtpSection>();

  /** The sections after a negotiation. What was learned about sections that stay is kept. */
  setSections(sections: readonly RtpSection[]): void {
    this.#sections = sections;
    this.#known.clear();
    for (const section of sections) this.#known.set(section.mid, section);
    for (const [ssrc, mid] of this.#midOfSsrc) {
      if (!this.#known.has(mid)) this.#midOfSsrc.delete(ssrc);
    }
    for (const section of sections) {
      for (const ssrc of section.ssrcs) this.#bind(ssrc, section.mid);
    }
  }

  /** The section's mid; undefined if the packet belongs to none. `mid` is the packet's header extension, if it has one. */
  route(ssrc: number, payloadType: number, mid?: string): string | undefined {
    const section = this.#find(ssrc, payloadType, mid);
    if (!section?.payloadTypes.includes(payloadType)) return undefined;
    if (this.#midOfSsrc.get(ssrc) !== section.mid) this.#bind(ssrc, section.mid);
    return section.mid;
  }

  /** The section that the SSRC is known to belong to. */
  midOf(ssrc: number): string | undefined {
    return this.#midOfSsrc.get(ssrc);
  }

  #find(ssrc: number, payloadType: number, mid: string | undefined): RtpSection | undefined {
    const known = mid ?? this.#midOfSsrc.get(ssrc);
    if (known !== undefined) return this.#known.get(known);
    const takers = this.#sections.filter((section) => section.payloadTypes.includes(payloadType));
    return takers.length === 1 ? takers[0] : undefined;
  }

  #bind(ssrc: number, mid: string): void {
    this.#midOfSsrc.delete(ssrc);
    this.#midOfSsrc.set(ssrc, mid);
    if (this.#midOfSsrc.size <= MAX_SSRCS) return;
    for (const oldest of this.#midOfSsrc.keys()) {
      this.#midOfSsrc.delete(oldest);
      break;
    }
  }
}
