import { createHash, randomUUID } from 'node:crypto';
import { type AudioDecoder, type AudioSource, SAMPLE_RATE_HZ } from '../core/audio.ts';
import type { Clock } from '../core/clock.ts';
import { EarshotError } from '../core/errors.ts';
import type { Sealer } from '../core/sealer.ts';
import type { SpeechDetectorFactory } from '../core/speech-detector.ts';
import type { BlobStore } from '../core/store/blobs.ts';
import type { Page, PageRequest } from '../core/store/page.ts';
import type { ConsentRecord, SpeakerRecord, SpeakerStore } from '../core/store/speakers.ts';
import { faultOf, measureReference } from './preflight.ts';
import type { SpeakerEngine } from './speaker-engine.ts';
import type { KnownVoice } from './voice-attribution.ts';

export interface EnrolmentRequest {
  readonly tenantId: string;
  readonly displayName: string;
  readonly languagePrimary: string;
  readonly description: string | null;
  readonly consent: Pick<ConsentRecord, 'userFullName' | 'statedPurpose' | 'text'>;
  readonly expiresAtMs: number | null;
  /** Recordings in any container that the decoder knows. */
  readonly reference: Uint8Array;
  readonly consentRecording: Uint8Array;
}

export interface EnrolmentOptions {
  readonly store: SpeakerStore;
  /** For speakers alone: what no speaker has is deleted. */
  readonly blobs: BlobStore;
  readonly sealer: Sealer;
  readonly engine: SpeakerEngine;
  readonly decode: AudioDecoder;
  readonly createDetector: SpeechDetectorFactory;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  /** Writes down that a speaker's time was over. Default: nobody does. */
  readonly noteExpiry?: (speaker: Pick<SpeakerRecord, 'tenantId' | 'id'>) => Promise<void>;
  /** Told what kept it from its work; it goes on. */
  readonly onFault: (error: unknown) => void;
}

/** Sealed and then as long as any upload. */
const MAX_BLOB_BYTES = 64 * 1024 * 1024;
/** Longest reference that is looked at. */
const MAX_REFERENCE_SAMPLES = 180 * SAMPLE_RATE_HZ;
const SWEEP_MS = 60_000;
const SWEEP_LIMIT = 100;

/**
 * People whose voices are known by name, with their consent.
 *
 *   enrol -> pending -> ready | failed -> erased
 *
 * A speaker is written down, with both recordings sealed, before `enrol` resolves; its voice is analysed after that, once more after a restart
 * if need be. The reference is deleted as soon as there is a print (or a reason why there is none), the recorded consent with the speaker.
 */
export class Enrolment {
  readonly #options: EnrolmentOptions;
  readonly #stop = new AbortController();
  #work: Promise<void> = Promise.resolve();
  #cancelSweep: () => void = () => undefined;

  constructor(options: EnrolmentOptions) {
    this.#options = options;
  }

  /** Takes up what a restart interrupted, deletes recordings that belong to nobody, and from now on erases who has expired. */
  async start(): Promise<void> {
    const { store, blobs } = this.#options;
    const wanted = new Set(await store.blobs());
    for await (const name of blobs.names()) if (!wanted.has(name)) await blobs.delete(name);
    for (const speaker of await store.pending(1000)) this.#enqueue(speaker);
    await this.#sweep();
  }

  /** The new speaker, pending. */
  async enrol(request: EnrolmentRequest): Promise<SpeakerRecord> {
    const { store, nowMs } = this.#options;
    const id = `spk_${randomUUID()}`;
    const { reference, consentRecording, consent, ...described } = request;
    const createdAtMs = nowMs();
    const blobsOf = { referenceBlob: await this.#keep(reference, `${id} reference`), consentBlob: await this.#keep(consentRecording, `${id} consent`) };
    const speaker: SpeakerRecord = {
      id,
      ...described,
      ...blobsOf,
      status: 'pending',
      failureReason: null,
      consent: { id: `cns_${randomUUID()}`, ...consent, recordingSha256: createHash('sha256').update(consentRecording).digest('hex'), recordedAtMs: createdAtMs },
      createdAtMs,
      erasedAtMs: null,
    };
    await store.add(speaker);
    this.#enqueue(speaker);
    return speaker;
  }

  list(tenantId: string, page: PageRequest): Promise<Page<SpeakerRecord>> {
    return this.#options.store.list(tenantId, page);
  }

  /** Also one that was erased: what is left of it. Throws `NOT_FOUND`. */
  async get(tenantId: string, id: string): Promise<SpeakerRecord> {
    const speaker = await this.#options.store.get(tenantId, id);
    if (!speaker) throw new EarshotError('NOT_FOUND', 'No such speaker.');
    return speaker;
  }

  /**
   * Recordings and print are gone when it resolves; what is left is the consent and when it was erased. Idempotent: the first time counts.
   * Recordings go first, so that after a crash in between the speaker is still there to be erased. Throws `NOT_FOUND`.
   */
  async erase(tenantId: string, id: string): Promise<SpeakerRecord> {
    const { store, blobs, nowMs } = this.#options;
    const speaker = await this.get(tenantId, id);
    await Promise.all([blobs.delete(speaker.referenceBlob), blobs.delete(speaker.consentBlob)]);
    await store.erase(tenantId, id, nowMs());
    return this.get(tenantId, id);
  }

  /** Voices of the tenant's ready speakers, as the present engine knows them. */
  async knownVoices(tenantId: string): Promise<KnownVoice[]> {
    const { store, sealer, engine, nowMs } = this.#options;
    const prints = await store.voiceprints(tenantId, engine.measure.id, nowMs());
    return prints.map(({ speakerId, displayName, sealed }) => {
      // Copied: what was decrypted may lie anywhere in its buffer.
      const bytes = Uint8Array.from(sealer.open(sealed, `${speakerId} print`));
      return { speakerId, displayName, print: new Float64Array(bytes.buffer) };
    });
  }

  /** Resolves when everything enrolled so far is ready or failed. */
  settled(): Promise<void> {
    return this.#work;
  }

  /** Idempotent. What is being analysed is taken up again at the next start. */
  async close(): Promise<void> {
    this.#cancelSweep();
    this.#stop.abort(new EarshotError('SERVER_STOPPING', 'The server is shutting down.'));
    await this.#work;
  }

  async #keep(bytes: Uint8Array, context: string): Promise<string> {
    const { name } = await this.#options.blobs.write(only(this.#options.sealer.seal(bytes, context)), { maxBytes: MAX_BLOB_BYTES });
    return name;
  }

  /** One after the other: nobody waits for it. */
  #enqueue(speaker: SpeakerRecord): void {
    const { signal } = this.#stop;
    this.#work = this.#work
      .then(() => (signal.aborted ? undefined : this.#analyse(speaker)))
      .catch((error: unknown) => {
        if (!signal.aborted) this.#options.onFault(error);
      });
  }

  async #analyse(speaker: SpeakerRecord): Promise<void> {
    const { store, blobs, sealer, engine } = this.#options;
    const { tenantId, id } = speaker;
    const outcome = await this.#printOf(speaker).catch((error: unknown) => {
      if (this.#stop.signal.aborted) throw error;
      return { failureReason: error instanceof EarshotError ? error.message : 'The reference could not be analysed.' };
    });
    if ('failureReason' in outcome) await store.settle(tenantId, id, outcome);
    else await store.settle(tenantId, id, { print: { engine: engine.measure.id, sealed: sealer.seal(new Uint8Array(outcome.print.buffer), `${id} print`) } });
    await blobs.delete(speaker.referenceBlob);
  }

  async #printOf({ id, referenceBlob }: SpeakerRecord): Promise<{ readonly print: Float64Array } | { readonly failureReason: string }> {
    const { engine, blobs, sealer, decode, createDetector } = this.#options;
    const recording = sealer.open(await collected(blobs.read(referenceBlob)), `${id} reference`);
    const audio = await decode(only(recording), { container: 'auto' }, this.#stop.signal);
    const [samples = new Int16Array(0)] = await Promise.all(audio.lanes.map(samplesOf));
    const detector = createDetector();
    const quality = measureReference(samples, detector);
    detector.close();
    const heard = await engine.listen(samples);
    const voices = new Set(await engine.group(heard.map(({ print }) => print))).size;
    const failureReason = faultOf(quality, voices);
    if (failureReason !== undefined) return { failureReason };
    return { print: heard.map(({ print }) => print).reduce((a, b) => engine.measure.merge(a, b)) };
  }

  async #sweep(): Promise<void> {
    const { store, clock, nowMs, noteExpiry, onFault } = this.#options;
    try {
      for (const { tenantId, id } of await store.expired(nowMs(), SWEEP_LIMIT)) {
        await this.erase(tenantId, id);
        await noteExpiry?.({ tenantId, id });
      }
    } catch (error) {
      onFault(error);
    }
    if (this.#stop.signal.aborted) return;
    this.#cancelSweep = clock.setTimer(SWEEP_MS, () => void this.#sweep());
  }
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  yield bytes;
}

async function collected(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

/** A lane's samples; a longer one is cut off. */
async function samplesOf(lane: AudioSource): Promise<Int16Array> {
  const parts: Int16Array[] = [];
  let length = 0;
  for await (const item of lane) {
    const samples = item.kind === 'pcm' ? item.samples : new Int16Array(item.lengthSamples);
    if (length + samples.length > MAX_REFERENCE_SAMPLES) break;
    parts.push(samples);
    length += samples.length;
  }
  lane.close();
  const all = new Int16Array(length);
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}
