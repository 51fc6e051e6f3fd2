import type { Page, PageRequest } from './page.ts';

/** Who agreed to what, in which words, and the recording of it. Written once, never changed, kept after erasure. */
export interface ConsentRecord {
  readonly id: string;
  readonly userFullName: string;
  readonly statedPurpose: string;
  readonly text: string;
  /** SHA-256 of the recording, hexadecimal: the receipt that remains. */
  readonly recordingSha256: string;
  readonly recordedAtMs: number;
}

export interface SpeakerRecord {
  readonly id: string;
  readonly tenantId: string;
  readonly displayName: string;
  readonly languagePrimary: string;
  readonly description: string | null;
  readonly status: 'pending' | 'ready' | 'failed' | 'erased';
  readonly failureReason: string | null;
  readonly consent: ConsentRecord;
  /** Names of the sealed recordings in the blob store of speakers: of the voice, until it was analysed, and of the consent, until erasure. */
  readonly referenceBlob: string;
  readonly consentBlob: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  readonly erasedAtMs: number | null;
}

/** A speaker's voice as an engine knows it, sealed by the caller with the key for biometric data. */
export interface SealedVoiceprint {
  readonly speakerId: string;
  readonly displayName: string;
  /** The engine and model that made it: prints of different ones cannot be compared. */
  readonly engine: string;
  readonly sealed: Uint8Array;
}

export interface SpeakerStore {
  add(speaker: SpeakerRecord): Promise<void>;
  get(tenantId: string, id: string): Promise<SpeakerRecord | undefined>;
  /** Without the erased ones. */
  list(tenantId: string, page: PageRequest): Promise<Page<SpeakerRecord>>;
  /** Pending becomes ready with its print, or failed with the reason; false if it is not pending. */
  settle(tenantId: string, id: string, outcome: { readonly print: Omit<SealedVoiceprint, 'speakerId' | 'displayName'> } | { readonly failureReason: string }): Promise<boolean>;
  /** Prints of ready, unexpired speakers. */
  voiceprints(tenantId: string, engine: string, nowMs: number): Promise<readonly SealedVoiceprint[]>;
  /** Print gone, tombstone with the consent left. False if there is none. */
  erase(tenantId: string, id: string, atMs: number): Promise<boolean>;
  /** Speakers that wait for their print, of all tenants, oldest first. */
  pending(limit: number): Promise<readonly SpeakerRecord[]>;
  /** Names of all recordings that speakers, of all tenants, still have. */
  blobs(): Promise<readonly string[]>;
  /** Speakers whose expiry has come, of all tenants. */
  expired(nowMs: number, limit: number): Promise<readonly SpeakerRecord[]>;
}
