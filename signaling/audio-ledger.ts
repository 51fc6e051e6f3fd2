/** Half-open stretch of a session's bytes, as the client counts them: over all its connections. */
export type ByteRange = readonly [from: number, to: number];

export interface AudioLedgerOptions {
  /** Bytes of one sample of all channels: acknowledgements end between two of them. */
  readonly frameBytes: number;
  /** False: the client is never told what arrived, so it may send again all since it first came. */
  readonly acknowledging: boolean;
  /** What is kept to recognize bytes that come again. Older ones are taken for new then. Default 8 MiB. */
  readonly maxWindowBytes?: number;
  /** In digital silence so much is acknowledged at a time. Default 512 KiB, 16 s of 16 kHz and 16 bit. */
  readonly silenceStepBytes?: number;
}

/** A place at which the client's repetition may have begun. */
interface Candidate {
  /** What the client was told. */
  readonly ack: number;
  /** Which of the taken bytes it goes on from. */
  readonly start: number;
}

const MAX_WINDOW_BYTES = 8 * 1024 * 1024;
/** Acknowledgements of which it is not known whether the client saw them; then the next waits. */
const MAX_UNCONFIRMED = 64;
/** Fewer equal bytes may be chance. */
const LEAST_EVIDENCE_BYTES = 16;
/** Silence and tones repeat themselves within so many bytes; equal stretches of them prove nothing. */
const MAX_PERIOD_BYTES = 2048;
const MAX_DRIFTS = 16;
const SILENCE_STEP_BYTES = 512 * 1024;

/**
 * Tells new bytes from repeated ones in a stream whose client, after each loss of its connection, sends again everything after the
 * last acknowledgement that it saw - which the server cannot know, since the loss may have swallowed it. Pure: no time, no sockets.
 *
 * The first bytes after a loss are compared with what was taken, at every place where the client can have begun: the last
 * acknowledgement that it has certainly seen, and each one after it. In digital silence they would all be alike, so acknowledgements stay behind while it lasts: where it
 * began, then in wide steps, each of them only once the client has seen the one before.
 *
 * Where the audio cannot tell for all that (a step that was not answered, tones) the earliest place is chosen: what was not answered was most likely not seen. So
 * speech is heard once, and of silence at most a step is missing. What the client counts and what was taken then differ by one
 * of several amounts (`drifts`), until speech tells which; so long, acknowledgements stay behind what is safe in every case.
 */
export class AudioLedger {
  readonly #frameBytes: number;
  readonly #acknowledging: boolean;
  readonly #maxWindowBytes: number;
  readonly #silenceStepBytes: number;
  /** What was taken last, `#windowStart` to `#position`. */
  #window: Uint8Array[] = [];
  #windowStart = 0;
  #position = 0;
  /** The last acknowledgement that the client has seen for certain, then those that it may have seen. Ascending. */
  #acks: number[] = [0];
  /** The one that is assumed first. */
  #drifts: readonly number[] = [0];
  #lastAck = 0;
  /** Where the digital silence began that was taken last; undefined: it was none. */
  #silentSince: number | undefined;
  #ended = false;
  /** The client has begun anew and needs to be told, even if nothing was new. */
  #owed = false;
  #repeating: { candidates: readonly Candidate[]; readonly taken: Uint8Array; held: Uint8Array; compared: number } | undefined;

  constructor(options: AudioLedgerOptions) {
    this.#frameBytes = options.frameBytes;
    this.#acknowledging = options.acknowledging;
    this.#maxWindowBytes = options.maxWindowBytes ?? MAX_WINDOW_BYTES;
    this.#silenceStepBytes = options.silenceStepBytes ?? SILENCE_STEP_BYTES;
  }

  /** Bytes taken so far. */
  get position(): number {
    return this.#position;
  }

  /** The client has seen this acknowledgement at least. */
  get seenAck(): number {
    return this.#acks[0] ?? 0;
  }

  /** It is not known yet where the client goes on. */
  get undecided(): boolean {
    return this.#repeating !== undefined;
  }

  /** In digital silence, with an acknowledgement of which it is not known whether the client saw it: the audio will not tell. */
  get doubtful(): boolean {
    return this.#silentSince !== undefined && this.#acks.length > 1;
  }

  /** A new connection: what comes next may have come before. */
  resume(): void {
    const candidates = this.#drifts
      .flatMap((drift) => this.#acks.map((ack) => ({ ack, start: ack + drift })))
      .filter(({ start }) => start >= this.#windowStart && start <= this.#position);
    if (!this.#acknowledging && this.#acks.at(-1) !== this.#position) this.#acks.push(this.#position);
    this.#repeating = { candidates, taken: joined(this.#window), held: new Uint8Array(0), compared: 0 };
  }

  /** Takes bytes of the current connection; answers those that are new. */
  take(bytes: Uint8Array): Uint8Array {
    const repeating = this.#repeating;
    if (!repeating) return this.#accept(bytes);
    repeating.held = joined([repeating.held, bytes]);
    repeating.candidates = repeating.candidates.filter((candidate) => this.#agrees(candidate));
    repeating.compared = repeating.held.length;
    const isOver = repeating.candidates.every(({ start }) => this.#position - start <= repeating.held.length);
    return isOver ? this.#decide(repeating.candidates) : new Uint8Array(0);
  }

  /** The client will send nothing more; answers what was held until it was clear whether it is new. */
  settle(): Uint8Array {
    this.#ended = true;
    const repeating = this.#repeating;
    if (!repeating) return new Uint8Array(0);
    const possible = repeating.candidates.filter(({ start }) => this.#position - start <= repeating.held.length);
    // Only the beginning of a repetition came: nothing of it is new.
    if (possible.length === 0 && repeating.candidates.length > 0) return new Uint8Array(0);
    return this.#decide(possible);
  }

  /** What the client can be told that it need not send again; undefined where that is nothing new. */
  acknowledge(): ByteRange | undefined {
    if (!this.#acknowledging || this.#repeating || this.#acks.length > MAX_UNCONFIRMED) return undefined;
    const to = this.#acknowledgeable();
    if (to < this.#lastAck || (to === this.#lastAck && !this.#owed)) return undefined;
    const range: ByteRange = [this.#lastAck, to];
    this.#lastAck = to;
    this.#owed = false;
    if (this.#acks.at(-1) !== to) this.#acks.push(to);
    return range;
  }

  /** As the client counts, whichever of the drifts is the true one. */
  #acknowledgeable(): number {
    const whole = (bytes: number): number => bytes - (bytes % this.#frameBytes);
    const drift = Math.max(...this.#drifts);
    const all = whole(this.#position - drift);
    if (this.#silentSince === undefined || this.#ended) return all;
    const isStep = this.#acks.length === 1 && all - this.#lastAck >= this.#silenceStepBytes;
    return isStep ? all : Math.max(this.#lastAck, whole(this.#silentSince - drift));
  }

  /** The client has seen the acknowledgement up to here. Ignored while it is open where the client went on. */
  confirm(ack: number): void {
    if (this.#repeating || !this.#acks.includes(ack)) return;
    this.#acks = this.#acks.filter((each) => each >= ack);
    this.#forgetBefore(ack + Math.min(...this.#drifts));
  }

  #agrees({ start }: Candidate): boolean {
    const { taken, held, compared } = this.#repeating!;
    const overlap = this.#position - start;
    const from = Math.min(compared, overlap);
    const to = Math.min(held.length, overlap);
    const offset = start - this.#windowStart;
    return isEqual(taken.subarray(offset + from, offset + to), held.subarray(from, to));
  }

  /** None possible: this client does not repeat, or what it repeats is forgotten. */
  #decide(possible: readonly Candidate[]): Uint8Array {
    const { held, taken } = this.#repeating!;
    this.#repeating = undefined;
    const proven = possible.filter(({ start }) => isTelling(taken.subarray(start - this.#windowStart), this.#frameBytes));
    const left = proven.length > 0 ? proven : possible;
    if (left.length === 0) return this.#accept(held);
    // The likeliest is the first: with the drift that was assumed before, from the earliest acknowledgement.
    const { start } = left[0]!;
    this.#drifts = [...new Set(left.map(({ ack }) => start - ack))].slice(0, MAX_DRIFTS);
    if (this.#acknowledging) this.#acks = [...new Set(left.map(({ ack }) => ack))].sort((a, b) => a - b);
    this.#owed = true;
    return this.#accept(held.subarray(this.#position - start));
  }

  #accept(bytes: Uint8Array): Uint8Array {
    if (bytes.length === 0) return bytes;
    if (bytes.length <= this.#frameBytes || !repeats(bytes, this.#frameBytes)) this.#silentSince = undefined;
    else {
      this.#silentSince ??= this.#position;
      this.#owed = true;
    }
    this.#window.push(bytes);
    this.#position += bytes.length;
    this.#forgetBefore(this.#position - this.#maxWindowBytes);
    return bytes;
  }

  #forgetBefore(position: number): void {
    let forgotten = 0;
    while (forgotten < this.#window.length && this.#windowStart + this.#window[forgotten]!.length <= position) {
      this.#windowStart += this.#window[forgotten]!.length;
      forgotten += 1;
    }
    this.#window.splice(0, forgotten);
  }
}

/** Enough of it, and nothing that repeats itself by its nature: that new audio should be equal to it is out of the question. */
function isTelling(audio: Uint8Array, frameBytes: number): boolean {
  if (audio.length < LEAST_EVIDENCE_BYTES) return false;
  for (let period = frameBytes; period <= Math.min(MAX_PERIOD_BYTES, audio.length / 2); period += frameBytes) {
    if (repeats(audio, period)) return false;
  }
  return true;
}

function repeats(audio: Uint8Array, periodBytes: number): boolean {
  return isEqual(audio.subarray(periodBytes), audio.subarray(0, Math.max(0, audio.length - periodBytes)));
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}
