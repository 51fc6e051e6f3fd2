import { EarshotError } from '../../core/errors.ts';
import type {
  RecognitionContext,
  Recognizer,
  RecognizerCapabilities,
  RecognizerLease,
  RecognizerPriority,
  RecognizerSink,
  RecognizerSnapshot,
  RecognizerStream,
} from '../../core/recognizer.ts';

/** What makes one kind of relay. */
export interface RelayKit {
  readonly id: string;
  readonly maxSessions: number;
  readonly capabilities: RecognizerCapabilities;
  /** Capabilities of one session, where what it asks for changes them. */
  readonly capabilitiesFor?: (context: RecognitionContext) => RecognizerCapabilities;
  readonly openStream: (context: RecognitionContext, sink: RecognizerSink) => RecognizerStream;
}

/** A full house has no end in sight; a client that waits this long will often find a place. */
const RETRY_AFTER_SECONDS = 5;
const NOBODY: RecognitionContext = { tenantId: '' };

/** A recognizer whose engine is somebody else's server. Admission is local; whether the upstream is up shows in use. */
export class Relay implements Recognizer {
  readonly id: string;
  readonly capabilities: RecognizerCapabilities;
  readonly #kit: RelayKit;
  readonly #streams = new Set<RecognizerStream>();
  #active = 0;

  constructor(kit: RelayKit) {
    this.#kit = kit;
    this.id = kit.id;
    this.capabilities = kit.capabilities;
  }

  snapshot(): RecognizerSnapshot {
    const ready = this.#active < this.#kit.maxSessions;
    return {
      ready,
      ...(!ready && { reason: `every place at relay ${this.id} is taken` }),
      activeSessions: this.#active,
      maxSessions: this.#kit.maxSessions,
      restarts: 0,
    };
  }

  admit(_priority: RecognizerPriority, context: RecognitionContext = NOBODY): RecognizerLease {
    if (this.#active >= this.#kit.maxSessions) {
      throw new EarshotError('CAPACITY_EXCEEDED', `Every place at relay ${this.id} is taken.`, { retryAfterSeconds: RETRY_AFTER_SECONDS });
    }
    this.#active += 1;
    const streams = new Set<RecognizerStream>();
    let released = false;
    return {
      capabilities: this.#kit.capabilitiesFor?.(context) ?? this.capabilities,
      openStream: (sink) => {
        const stream = this.#kit.openStream(context, sink);
        streams.add(stream);
        this.#streams.add(stream);
        return stream;
      },
      release: async () => {
        if (released) return;
        released = true;
        this.#active -= 1;
        for (const stream of streams) this.#streams.delete(stream);
        await Promise.all([...streams].map((stream) => stream.close()));
      },
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#streams].map((stream) => stream.close()));
  }
}
