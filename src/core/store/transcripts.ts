import type { Transcript } from '../session/transcribe.ts';
import type { Page, PageRequest } from './page.ts';

export interface TranscriptVersion {
  readonly jobId: string;
  /** From 1: what was recognized; later ones are edits. */
  readonly version: number;
  readonly createdAtMs: number;
  /** The key that edited; null for what was recognized. */
  readonly editedBy: string | null;
  /** What the editor says of the edit. */
  readonly notes: string | null;
  readonly transcript: Transcript;
}

export interface TranscriptStore {
  /** Default: the newest version. */
  get(tenantId: string, jobId: string, version?: number): Promise<TranscriptVersion | undefined>;
  versions(tenantId: string, jobId: string): Promise<readonly Omit<TranscriptVersion, 'transcript'>[]>;
  /** A new version over `baseVersion`; throws `SESSION_CONFLICT` if a newer one is there, `NOT_FOUND` without the job. Answers its number. */
  edit(tenantId: string, jobId: string, baseVersion: number, transcript: Transcript, editedBy: string, atMs: number, notes?: string): Promise<number>;
  /** Jobs whose newest version contains every word of the query, newest first. */
  search(tenantId: string, query: string, page: PageRequest): Promise<Page<{ readonly jobId: string; readonly excerpt: string }>>;
}
