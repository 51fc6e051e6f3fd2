import type http from 'node:http';
import type { WebSocket } from 'ws';
import { msToSamples, SAMPLE_RATE_HZ } from '../../../core/audio.ts';
import { HeardAudio, heardIn, loudBlocks } from './heard.ts';
import { answerJson, formOf, type PostedForm, type UpstreamBehaviour } from './upstream.ts';

const WAV_HEADER_BYTES = 44;
const INTERIM_EVERY_SECONDS = 0.2;

function uploaded(request: http.IncomingMessage, body: Buffer): PostedForm & { readonly samples: Int16Array } {
  const form = formOf(request, body);
  return { ...form, samples: new Int16Array(Uint8Array.from(form.file.subarray(WAV_HEADER_BYTES)).buffer) };
}

/** `audio/transcriptions` as OpenAI answers it: bare timed words, and a text with capitals and full stops. */
export const openAiBehaviour: UpstreamBehaviour = {
  request: (request, response, body) => {
    const { fields, samples } = uploaded(request, body);
    const words = heardIn(samples);
    const text = words.map(({ word }) => `${word.toUpperCase()},`).join(' ');
    const isVerbose = fields.get('response_format') === 'verbose_json';
    answerJson(response, isVerbose ? { task: 'transcribe', language: 'english', duration: samples.length / SAMPLE_RATE_HZ, text, words } : { text });
  },
};

/** `POST transcribe` as Earshot answers it. */
export const earshotBehaviour: UpstreamBehaviour = {
  request: (request, response, body) => {
    const words = heardIn(uploaded(request, body).samples).map(({ word, start, end }) => ({ text: word, start, end, confidence: 0.5 }));
    const transcript = words.map(({ text }) => text).join(' ');
    const segments = words.length === 0 ? [] : [{ segment_id: 'L0-U0', text: transcript, start: 0, end: 1, words }];
    answerJson(response, { status: 'ok', data: { job_id: 'job', transcript, backend_used: 'A', segments }, meta: {} });
  },
};

/** `/v1/listen` as Deepgram serves it. */
export const deepgramBehaviour: UpstreamBehaviour = {
  socket: (socket) => {
    const audio = new HeardAudio();
    let finalSeconds = 0;
    let toldSeconds = 0;
    const tell = (isFinal: boolean, extra: object = {}): void => {
      const words = heardIn(audio.samples, finalSeconds).map((word) => ({ ...word, punctuated_word: `${word.word}.`, confidence: 0.9 }));
      const alternative = { transcript: words.map(({ word }) => word).join(' '), confidence: 0.9, words };
      const window = { start: finalSeconds, duration: audio.seconds - finalSeconds };
      socket.send(JSON.stringify({ type: 'Results', channel_index: [0, 1], ...window, is_final: isFinal, speech_final: isFinal, channel: { alternatives: [alternative] }, metadata: {}, ...extra }));
      toldSeconds = audio.seconds;
      if (isFinal) finalSeconds = audio.seconds;
    };
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) {
        audio.push(data);
        if (audio.seconds - toldSeconds >= INTERIM_EVERY_SECONDS) tell(false);
        return;
      }
      const { type } = JSON.parse(data.toString()) as { readonly type: string };
      if (type === 'Finalize') tell(true, { from_finalize: true });
      if (type === 'CloseStream') {
        socket.send(JSON.stringify({ type: 'Metadata', request_id: 'r', duration: audio.seconds, channels: 1 }));
        socket.close(1000);
      }
    });
  },
};

/** `/v2/live` as Gladia serves it. */
export const gladiaBehaviour: UpstreamBehaviour = {
  request: (request, response) => {
    answerJson(response, { id: 'S', created_at: 'T', url: `ws://${request.headers.host ?? ''}/v2/live?token=t` }, 201);
  },
  socket: (socket) => {
    serveGladia(socket);
  },
};

/** Silence that ends an utterance, in blocks of 10 ms. */
const GLADIA_ENDPOINT_BLOCKS = 20;

function serveGladia(socket: WebSocket): void {
  const audio = new HeardAudio();
  const say = (type: string, message: object): void => {
    socket.send(JSON.stringify({ type, session_id: 'S', created_at: 'T', ...message }));
  };
  let utterances = 0;
  let judged = 0;
  let openedAt: number | undefined;
  let silent = 0;
  const transcript = (isFinal: boolean, from: number, to: number): void => {
    const words = heardIn(audio.samples.subarray(0, Math.round(to * SAMPLE_RATE_HZ)), from).map(({ word, ...times }) => ({ word: ` ${word}`, ...times, confidence: 0.9 }));
    if (words.length === 0 && !isFinal) return;
    const utterance = { text: words.map(({ word }) => word).join(''), start: from, end: to, language: 'en', channel: 0, confidence: 0.9, words };
    say('transcript', { data: { id: `00_${String(utterances).padStart(8, '0')}`, is_final: isFinal, utterance } });
  };
  const listen = (): void => {
    const loud = loudBlocks(audio.samples);
    for (; judged < loud.length; judged += 1) {
      const at = (judged * msToSamples(10)) / SAMPLE_RATE_HZ;
      silent = loud[judged] === true ? 0 : silent + 1;
      if (loud[judged] === true && openedAt === undefined) {
        openedAt = at;
        say('speech_start', { data: { time: at, channel: 0 } });
      } else if (openedAt !== undefined && silent >= GLADIA_ENDPOINT_BLOCKS) {
        say('speech_end', { data: { time: at, channel: 0 } });
        transcript(true, openedAt, at);
        utterances += 1;
        openedAt = undefined;
      } else if (openedAt !== undefined && judged % 20 === 0) {
        transcript(false, openedAt, at);
      }
    }
  };
  socket.on('message', (data: Buffer, isBinary) => {
    if (!isBinary) {
      socket.close(1000);
      return;
    }
    const from = audio.bytes;
    audio.push(data);
    say('audio_chunk', { acknowledged: true, error: null, data: { byte_range: [from, audio.bytes], time_range: [0, 0] } });
    listen();
  });
}
