import type { PcmFrame } from '../../core/audio.ts';
import { msToSamples, samplesToMs } from '../../core/audio.ts';
import type { Clock } from '../../core/clock.ts';
import { type EarshotError, toEarshotError } from '../../core/errors.ts';
import { MAX_LOOK_BACK_SAMPLES, type RecognizerSink, type RecognizerStream } from '../../core/recognizer.ts';
import type { Word } from '../../core/transcript.ts';
import { toUpstreamSample, type UpstreamWord } from './lane-words.ts';
import { RecentAudio } from './recent-audio.ts';
import { distribute, SentSegment } from './segment-map.ts';
import type { StreamProtocol, UpstreamConversation, UpstreamEvent } from './stream-protocol.ts';
import { closedError, timeout } from './upstream-error.ts';
import { UpstreamSocket } from './upstream-socket.ts';

export interface RelayStreamOptions {
  readonly relayId: string;
  readonly protocol: StreamProtocol;
  readonly clock: Clock;
  readonly connectMs: number;
  readonly silenceMs: number;
  readonly answerMs: number;
}

/** Windows of results end a little before or after the audio they are about. */
const TOLERANCE_SAMPLES = msToSamples(100);

/** A segment whose words are awaited. */
interface Pending {
  readonly segment: SentSegment;
  readonly words: PromiseWithResolvers<readonly Word[]>;
  /** The upstream answered the request to finalize it. */
  answered: boolean;
  /** When something of it was last told, or it ended. */
  stirredMs: number;
  hasWords: boolean;
  cancelDeadline: () => void;
}

/** One connection: its counters start at 0 with it. */
interface Link {
  readonly socket: UpstreamSocket;
  readonly conversation: UpstreamConversation;
  sentSamples: number;
  settledSample: number;
  /** Requests to finalize whose segment was settled without their answer. */
  owedAnswers: number;
  opened: boolean;
  /** The upstream gave a sign of life since the oldest unsettled segment ended. */
  alive: boolean;
}

/**
 * One lane at a streaming upstream. Only segments are sent, one right after the other; silence between them is not (and not paid for).
 * Times that come back count what was sent and are mapped to the lane by segment. The first connection is made at once; one that the
 * upstream ends while nothing is awaited is made anew with the next segment. Any other loss is the stream's end, with a typed
 * error: who replays is failover's business.
 */
export class RelayStream implements RecognizerStream {
  readonly #options: RelayStreamOptions;
  readonly #sink: RecognizerSink;
  readonly #recent = new RecentAudio();
  readonly #pending: Pending[] = [];
  #open: Pending | undefined;
  #link: Link | undefined;
  #writtenSample = 0;
  #cancelSilence: (() => void) | undefined;
  #cancelHush: () => void = () => undefined;
  #cancelKeepAlive: () => void = () => undefined;
  #lastSentMs = 0;
  #failure: EarshotError | undefined;
  #closed = false;

  constructor(options: RelayStreamOptions, sink: RecognizerSink) {
    this.#options = options;
    this.#sink = sink;
    this.#link = this.#connect();
    this.#keepAlive();
  }

  async write(frame: PcmFrame): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (this.#closed) return;
    this.#recent.push(frame);
    this.#writtenSample = frame.startSample + frame.samples.length;
    this.#recent.forgetBefore(this.#writtenSample - MAX_LOOK_BACK_SAMPLES);
    if (!this.#open || !this.#link) return;
    this.#sendAudio(this.#link, frame.samples);
    this.#open.segment.endSample = this.#writtenSample;
    await this.#link.socket.drained();
    // What was lost on the way may only be known now.
    if (this.#failure as EarshotError | undefined) throw this.#failure as unknown as Error;
  }

  beginSegment(startSample: number): void {
    if (this.#closed || this.#failure) return;
    const link = (this.#link ??= this.#connect());
    this.#open = {
      segment: new SentSegment(link.sentSamples, startSample),
      words: Promise.withResolvers(),
      answered: false,
      stirredMs: 0,
      hasWords: false,
      cancelDeadline: () => undefined,
    };
    this.#open.words.promise.catch(() => undefined);
    this.#pending.push(this.#open);
    const missed = this.#recent.slice(startSample, this.#writtenSample);
    if (missed.length > 0) this.#sendAudio(link, missed);
    this.#open.segment.endSample = this.#writtenSample;
  }

  endSegment(endSample: number): Promise<readonly Word[]> {
    const open = this.#open;
    this.#open = undefined;
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#closed) return Promise.reject(closedError());
    if (!open || !this.#link) return Promise.resolve([]);
    open.segment.isCut = endSample < open.segment.endSample;
    open.segment.endSample = endSample;
    open.segment.ended = true;
    open.stirredMs = this.#options.clock.nowMs();
    if (!open.segment.isEmpty) this.#askToFinalize(this.#link, open);
    this.#settleWhatIsDone();
    return open.words.promise;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#end(closedError(), this.#options.protocol.goodbye);
  }

  #connect(): Link {
    const { relayId, clock, connectMs, protocol } = this.#options;
    const isCurrent = (): boolean => this.#link === link;
    const link: Link = {
      conversation: protocol.converse(),
      sentSamples: 0,
      settledSample: 0,
      owedAnswers: 0,
      opened: false,
      alive: false,
      socket: new UpstreamSocket({
        relayId,
        clock,
        connectMs,
        locate: protocol.locate,
        onOpen: () => {
          link.opened = true;
          if (isCurrent()) this.#watchSilence();
        },
        onText: (text) => {
          if (isCurrent()) this.#hear(link, text);
        },
        onPong: () => {
          link.alive = true;
          if (isCurrent()) this.#settleWhatIsDone();
        },
        onLost: (error) => {
          if (!isCurrent()) return;
          if (link.opened && this.#pending.length === 0) this.#link = undefined;
          else this.#fail(error);
        },
      }),
    };
    return link;
  }

  #sendAudio(link: Link, samples: Int16Array): void {
    link.sentSamples += samples.length;
    this.#lastSentMs = this.#options.clock.nowMs();
    link.socket.send(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength));
    this.#watchSilence();
  }

  #askToFinalize(link: Link, ended: Pending): void {
    const { protocol, clock, answerMs, relayId } = this.#options;
    link.alive = false;
    if (protocol.padSamples > 0) this.#sendAudio(link, new Int16Array(protocol.padSamples));
    if (protocol.finalize !== undefined) link.socket.send(protocol.finalize);
    link.socket.ping();
    const awaitedSamples = this.#pending.reduce((sum, { segment }) => sum + segment.endSample - segment.startSample, 0);
    ended.cancelDeadline = clock.setTimer(answerMs + samplesToMs(awaitedSamples), () => {
      this.#fail(timeout(relayId, 'its upstream owes the words of a segment for too long'));
    });
  }

  #hear(link: Link, text: string): void {
    link.alive = true;
    this.#cancelSilence?.();
    this.#cancelSilence = undefined;
    try {
      for (const event of link.conversation.decode(text)) this.#take(link, event);
    } catch (error) {
      this.#fail(toEarshotError(error));
      return;
    }
    this.#settleWhatIsDone();
    this.#watchSilence();
  }

  #take(link: Link, event: UpstreamEvent): void {
    switch (event.type) {
      case 'words':
        this.#share(event.words, event.isFinal);
        return;
      case 'settled':
        link.settledSample = Math.max(link.settledSample, toUpstreamSample(event.toSeconds));
        return;
      case 'finalized':
        this.#noteAnswer(link, toUpstreamSample(event.toSeconds));
        return;
      case 'stirred':
        for (const pending of this.#pending) pending.stirredMs = this.#options.clock.nowMs();
        return;
    }
  }

  #share(words: readonly UpstreamWord[], isFinal: boolean): void {
    const shares = distribute(words, this.#pending.map(({ segment }) => segment));
    for (const pending of this.#pending) {
      const share = shares.get(pending.segment);
      pending.segment.hear(share ?? [], isFinal);
      if (!share) continue;
      pending.hasWords = true;
      pending.stirredMs = this.#options.clock.nowMs();
    }
    const [oldest] = this.#pending;
    if (oldest && shares.has(oldest.segment)) this.#sink.interim(oldest.segment.heard());
  }

  /** Answers come in order; which segment one is about shows in how far it reaches, or else it is the oldest that waits for one. */
  #noteAnswer(link: Link, toSample: number): void {
    const waiting = this.#pending.filter(({ segment, answered }) => segment.ended && !segment.isEmpty && !answered);
    const reached = waiting.filter(({ segment }) => segment.upstreamStart + TOLERANCE_SAMPLES < toSample);
    if (reached.length > 0) {
      for (const pending of reached) pending.answered = true;
    } else if (link.owedAnswers > 0) {
      link.owedAnswers -= 1;
    } else if (waiting[0]) {
      waiting[0].answered = true;
    }
  }

  #settleWhatIsDone(): void {
    this.#cancelHush();
    for (let [oldest] = this.#pending; oldest?.segment.ended === true && this.#link; [oldest] = this.#pending) {
      const { segment, answered } = oldest;
      const isCovered = this.#link.settledSample >= segment.upstreamEnd - TOLERANCE_SAMPLES;
      if (!segment.isEmpty && !answered && !isCovered && !this.#isHushed(this.#link, oldest)) return;
      if (!segment.isEmpty && !answered) this.#link.owedAnswers += 1;
      this.#pending.shift();
      oldest.cancelDeadline();
      oldest.words.resolve(segment.settled());
    }
    if (this.#pending.length === 0) this.#stopWatchingSilence();
  }

  /** An upstream that lives, has nothing under way and has said nothing for a while has nothing to say. */
  #isHushed(link: Link, { segment, hasWords, stirredMs }: Pending): boolean {
    if (!link.alive || !link.conversation.isQuiet(segment.upstreamEnd)) return false;
    const { hushMs } = this.#options.protocol;
    const leftMs = stirredMs + (hasWords ? hushMs.afterWords : hushMs.afterNothing) - this.#options.clock.nowMs();
    if (leftMs <= 0) return true;
    this.#cancelHush = this.#options.clock.setTimer(leftMs, () => {
      this.#settleWhatIsDone();
    });
    return false;
  }

  /** While words are awaited an open upstream may be silent so long and no longer. */
  #watchSilence(): void {
    if (this.#cancelSilence || this.#pending.length === 0 || this.#link?.opened !== true) return;
    const { clock, silenceMs, relayId } = this.#options;
    this.#cancelSilence = clock.setTimer(silenceMs, () => {
      this.#fail(timeout(relayId, `its upstream has been silent for ${String(silenceMs)} ms while it was sent speech`));
    });
  }

  #stopWatchingSilence(): void {
    this.#cancelSilence?.();
    this.#cancelSilence = undefined;
  }

  #keepAlive(): void {
    const { keepAlive } = this.#options.protocol;
    if (!keepAlive) return;
    const { clock } = this.#options;
    this.#cancelKeepAlive = clock.setTimer(keepAlive.everyMs, () => {
      if (this.#link?.opened === true && clock.nowMs() - this.#lastSentMs >= keepAlive.everyMs) this.#link.socket.send(keepAlive.message);
      this.#keepAlive();
    });
  }

  #fail(error: EarshotError): void {
    if (this.#failure || this.#closed) return;
    this.#failure = error;
    this.#end(error);
  }

  #end(error: EarshotError, goodbye?: string): void {
    this.#stopWatchingSilence();
    this.#cancelHush();
    this.#cancelKeepAlive();
    for (const pending of this.#pending.splice(0)) {
      pending.cancelDeadline();
      pending.words.reject(error);
    }
    this.#link?.socket.close(goodbye);
    this.#link = undefined;
  }
}
