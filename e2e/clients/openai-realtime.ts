import { OpenAI } from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import { eventually } from '../eventually.ts';
import type { TestServer } from '../server.ts';

export type RealtimeEvent = { readonly type: string } & Readonly<Record<string, unknown>>;

const APPEND_BYTES = 9600;
const TRANSCRIPTION = 'conversation.item.input_audio_transcription';

/** The vendor's own client, and every event that it was sent. */
export class RealtimeClient {
  readonly events: RealtimeEvent[] = [];
  readonly socket: OpenAIRealtimeWS;

  /** With `callID`: beside a call. */
  constructor(server: TestServer, apiKey = server.apiKey, callID?: string) {
    const client = new OpenAI({ apiKey, baseURL: `${server.url}/v1` });
    this.socket = new OpenAIRealtimeWS(callID === undefined ? { model: 'gpt-realtime' } : { callID }, client);
    this.socket.on('event', (event) => this.events.push(event as unknown as RealtimeEvent));
    // Listened to, or the client rejects into nowhere.
    this.socket.on('error', () => undefined);
  }

  /** Sets how turns end; null: by commits. */
  async configure(silenceMs: number | null): Promise<void> {
    await this.seen('session.created');
    this.socket.send({
      type: 'session.update',
      session: {
        type: 'transcription',
        audio: { input: { transcription: { model: 'gpt-4o-transcribe', language: 'en' }, turn_detection: silenceMs === null ? null : { type: 'server_vad', silence_duration_ms: silenceMs } } },
      },
    });
    await this.seen('session.updated');
  }

  /** Appends 16-bit samples at 24 kHz, as fast as they are taken. */
  append(samples: Uint8Array): void {
    for (let offset = 0; offset < samples.length; offset += APPEND_BYTES) {
      this.socket.send({ type: 'input_audio_buffer.append', audio: Buffer.from(samples.subarray(offset, offset + APPEND_BYTES)).toString('base64') });
    }
  }

  commit(): void {
    this.socket.send({ type: 'input_audio_buffer.commit' });
  }

  of(type: string): RealtimeEvent[] {
    return this.events.filter((event) => event.type === type);
  }

  get transcripts(): string[] {
    return this.of(`${TRANSCRIPTION}.completed`).map((event) => String(event['transcript']));
  }

  /** What the deltas of each completed item say together. */
  get deltas(): string[] {
    const all = this.of(`${TRANSCRIPTION}.delta`);
    return this.of(`${TRANSCRIPTION}.completed`).map((completed) => all.filter((event) => event['item_id'] === completed['item_id']).map((event) => String(event['delta'])).join(''));
  }

  /** Resolves once so many events of the type came. */
  async seen(type: string, count = 1): Promise<void> {
    await eventually(`${String(count)} ${type}`, () => this.of(type).length >= count, { timeoutMs: 90_000, seen: () => this.events.map((event) => event.type).slice(-20) });
  }

  completed(count: number): Promise<void> {
    return this.seen(`${TRANSCRIPTION}.completed`, count);
  }
}
