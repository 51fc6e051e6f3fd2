import type { SealedVoiceprint, SpeakerRecord, SpeakerStore } from '../../core/store/speakers.ts';
import type { Database } from './database.ts';
import { pageStart, toPage } from './pages.ts';

type SpeakerRow = Omit<SpeakerRecord, 'consent'> & { readonly consent: string };

const SPEAKERS = `SELECT speakers.id, tenantId, displayName, languagePrimary, description, status, failureReason, referenceBlob, consentBlob, createdAtMs, expiresAtMs, erasedAtMs,
    json_object('id', consents.id, 'userFullName', userFullName, 'statedPurpose', statedPurpose, 'text', text,
      'recordingSha256', recordingSha256, 'recordedAtMs', recordedAtMs) AS consent
  FROM speakers JOIN consents ON consents.id = consentId`;

export function speakerStore(database: Database): SpeakerStore {
  return {
    async add({ consent, ...speaker }) {
      database.transaction(() => {
        database.insert('consents', { ...consent });
        database.insert('speakers', { ...speaker, consentId: consent.id });
      });
    },
    async get(tenantId, id) {
      const row = database.get<SpeakerRow>(`${SPEAKERS} WHERE speakers.id = :id AND tenantId = :tenantId`, { tenantId, id });
      return row && toSpeaker(row);
    },
    async list(tenantId, page) {
      const rows = database.all<SpeakerRow>(
        `${SPEAKERS} WHERE tenantId = :tenantId AND status <> 'erased' AND (createdAtMs, speakers.id) < (:afterAtMs, :afterId)
         ORDER BY createdAtMs DESC, speakers.id DESC LIMIT :limitAndOne`,
        { tenantId, ...pageStart(page) },
      );
      return toPage(rows, page.limit, toSpeaker, ({ createdAtMs, id }) => ({ afterAtMs: createdAtMs, afterId: id }));
    },
    async settle(tenantId, id, outcome) {
      const [status, failureReason] = 'print' in outcome ? ['ready', null] : ['failed', outcome.failureReason];
      return database.transaction(() => {
        const settled = database.run("UPDATE speakers SET status = :status, failureReason = :failureReason WHERE id = :id AND tenantId = :tenantId AND status = 'pending'", {
          tenantId,
          id,
          status,
          failureReason,
        });
        if (settled > 0 && 'print' in outcome) database.insert('voiceprints', { speakerId: id, engine: outcome.print.engine, sealed: outcome.print.sealed });
        return settled > 0;
      });
    },
    async voiceprints(tenantId, engine, nowMs) {
      return database.all<SealedVoiceprint>(
        `SELECT speakerId, displayName, engine, sealed FROM voiceprints JOIN speakers ON id = speakerId
         WHERE tenantId = :tenantId AND engine = :engine AND status = 'ready' AND (expiresAtMs IS NULL OR expiresAtMs > :nowMs) ORDER BY id`,
        { tenantId, engine, nowMs },
      );
    },
    async erase(tenantId, id, atMs) {
      const erased = database.transaction(() => {
        const there = database.run(
          "UPDATE speakers SET status = 'erased', erasedAtMs = coalesce(erasedAtMs, :atMs) WHERE id = :id AND tenantId = :tenantId",
          { tenantId, id, atMs },
        );
        if (there > 0) database.run('DELETE FROM voiceprints WHERE speakerId = :id', { id });
        return there > 0;
      });
      if (erased) database.forget();
      return erased;
    },
    async pending(limit) {
      return database.all<SpeakerRow>(`${SPEAKERS} WHERE status = 'pending' ORDER BY createdAtMs, speakers.id LIMIT :limit`, { limit }).map(toSpeaker);
    },
    async blobs() {
      const rows = database.all<{ readonly blob: string }>(
        "SELECT consentBlob AS blob FROM speakers WHERE status <> 'erased' UNION ALL SELECT referenceBlob FROM speakers WHERE status = 'pending'",
        {},
      );
      return rows.map(({ blob }) => blob);
    },
    async expired(nowMs, limit) {
      const rows = database.all<SpeakerRow>(`${SPEAKERS} WHERE expiresAtMs <= :nowMs AND status <> 'erased' ORDER BY expiresAtMs, speakers.id LIMIT :limit`, { nowMs, limit });
      return rows.map(toSpeaker);
    },
  };
}

const toSpeaker = (row: SpeakerRow): SpeakerRecord => ({ ...row, consent: JSON.parse(row.consent) as SpeakerRecord['consent'] });
