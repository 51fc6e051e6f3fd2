import { API, type TestServer } from '../server.ts';
import type { Segment } from './wire.ts';

export interface Transcription {
  readonly job_id: string;
  readonly transcript: string;
  readonly backend_used: string;
  readonly language_detected: string | null;
  readonly audio_duration_ms: number;
  readonly audio_bytes: number;
  readonly segments: readonly Segment[];
}

export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly retry_after: number | null;
  readonly details?: readonly { readonly field: string; readonly message: string }[];
}

export interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly data: T | undefined;
  readonly error: ErrorBody | undefined;
}

export interface UploadOptions {
  /** What the part says of its type; clients often send none. */
  readonly type?: string;
  readonly fileName?: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

/** Sends one file to be transcribed. */
export function upload(server: TestServer, file: Uint8Array, options: UploadOptions = {}): Promise<Answer<Transcription>> {
  const form = new FormData();
  for (const [name, value] of Object.entries(options.fields ?? {})) form.set(name, value);
  const blob = new Blob([Uint8Array.from(file)], options.type === undefined ? {} : { type: options.type });
  form.set('file', blob, options.fileName ?? 'recording');
  return call(server, 'POST', 'transcribe', { body: form, ...(options.headers && { headers: options.headers }), ...(options.signal && { signal: options.signal }) });
}

/** The transcription of a file that must succeed. */
export async function transcribed(server: TestServer, file: Uint8Array, options: UploadOptions = {}): Promise<Transcription> {
  const { status, data, error } = await upload(server, file, options);
  if (data === undefined) throw new Error(`transcribe answered ${status}: ${JSON.stringify(error)}`);
  return data;
}

/** One request to the API; `json` is sent as such. */
export async function call<T>(
  server: TestServer,
  method: string,
  route: string,
  request: { readonly json?: unknown; readonly body?: FormData; readonly headers?: Record<string, string>; readonly signal?: AbortSignal } = {},
): Promise<Answer<T>> {
  const response = await fetch(`${server.url}${API}/${route}`, {
    method,
    headers: { ...(request.json !== undefined && { 'content-type': 'application/json' }), ...request.headers },
    body: request.json === undefined ? (request.body ?? null) : JSON.stringify(request.json),
    ...(request.signal && { signal: request.signal }),
  });
  const text = await response.text();
  const body = (text === '' ? {} : JSON.parse(text)) as { readonly data?: T; readonly error?: ErrorBody };
  return { status: response.status, headers: response.headers, data: body.data, error: body.error };
}
