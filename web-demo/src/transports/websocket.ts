import { explainRefusedSocket, socketUrl } from '../api.ts';
import { FrameSocket } from '../frame-socket.ts';
import type { Microphone } from '../microphone.ts';
import { Problem, pageProblem, toProblem } from '../problem.ts';
import { FINISH_TIMEOUT_MS, LANGUAGE_HINT, type Transport, type TransportSink } from './transport.ts';

/** Above this much unsent sound the pump waits; what is not sent yet stays in the microphone's ring. */
const MAX_BUFFERED_BYTES = 256 * 1024;
const READY_TIMEOUT_MS = 10_000;

/**
 * Microphone sound as raw PCM over `stream/transcribe`, from `fromSample` of the capture on: what the ring still holds
 * goes first, as fast as the network takes it. Resolves when the server is ready.
 */
export async function openWebSocket(
  microphone: Microphone,
  fromSample: number,
  sink: TransportSink,
  signal: AbortSignal,
): Promise<Transport> {
  const { ring } = microphone;
  const startSample = Math.min(Math.max(fromSample, ring.startSample), ring.endSample);
  const ready = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  done.promise.catch(() => undefined);
  let cursor = startSample;
  let isReady = false;

  const fail = (problem: Problem): void => {
    abandon();
    done.reject(problem);
    if (isReady) sink.failed(problem);
    else ready.reject(problem);
  };

  const pump = (): void => {
    try {
      while (socket.bufferedBytes < MAX_BUFFERED_BYTES) {
        const chunk = ring.chunkAt(cursor);
        if (!chunk) break;
        socket.sendAudio(chunk);
        cursor += chunk.length;
      }
    } catch (error) {
      fail(error instanceof RangeError ? pageProblem('UPLINK_TOO_SLOW') : toProblem(error));
    }
  };

  let stopPumping = (): void => undefined;
  const socket = new FrameSocket(socketUrl('stream/transcribe'), {
    open() {
      const format = { media_type: 'audio/pcm', sample_rate: microphone.sampleRateHz };
      socket.send({ type: 'open', language_hint: LANGUAGE_HINT, ...format });
      pump();
      stopPumping = microphone.onChunk(pump);
    },
    frame(frame) {
      switch (frame.type) {
        case 'ready':
          isReady = true;
          ready.resolve();
          return;
        case 'delta':
          sink.delta(frame);
          return;
        case 'closed':
          abandon();
          done.resolve();
          return;
        case 'error':
          fail(new Problem(frame.code, frame.message, frame.retryAfterSeconds));
          return;
      }
    },
    closed({ opened }) {
      if (opened) fail(pageProblem('CONNECTION_LOST'));
      else void explainRefusedSocket().then(fail);
    },
  });

  function abandon(): void {
    stopPumping();
    socket.close();
    clearTimeout(readyTimer);
    signal.removeEventListener('abort', abort);
  }
  const abort = (): void => {
    abandon();
    ready.reject(signal.reason);
  };
  const readyTimer = setTimeout(() => fail(pageProblem('CONNECTION_LOST')), READY_TIMEOUT_MS);
  signal.addEventListener('abort', abort);

  await ready.promise;
  clearTimeout(readyTimer);
  signal.removeEventListener('abort', abort);

  const finish = async (): Promise<void> => {
    await microphone.drain();
    const timer = setTimeout(() => fail(pageProblem('FINISH_TIMEOUT')), FINISH_TIMEOUT_MS);
    try {
      while (cursor < ring.endSample) {
        pump();
        await Promise.race([new Promise((resolve) => setTimeout(resolve, 50)), done.promise]);
      }
      stopPumping();
      socket.send({ type: 'close' });
      await done.promise;
    } finally {
      clearTimeout(timer);
    }
  };

  return {
    kind: 'websocket',
    startSample,
    stats: () => {
      const unsentSamples = ring.endSample - cursor + socket.bufferedBytes / Int16Array.BYTES_PER_ELEMENT;
      return Promise.resolve({ queuedMs: (unsentSamples / microphone.sampleRateHz) * 1000 });
    },
    useTrack: () => Promise.resolve(),
    finish,
    abandon,
  };
}
