import { EarshotError } from '../../core/errors.ts';
import { transcriptText, type Transcript } from '../../core/session/transcribe.ts';
import type { TranscriptStore, TranscriptVersion } from '../../core/store/transcripts.ts';
import type { Database } from './database.ts';
import { pageStart, toPage } from './pages.ts';

type VersionRow = Omit<TranscriptVersion, 'transcript'> & { readonly transcript: string };

interface Hit {
  readonly jobId: string;
  readonly createdAtMs: number;
  readonly excerpt: string;
}

const OF_TENANT = 'FROM transcripts JOIN jobs ON jobs.id = jobId WHERE jobId = :jobId AND tenantId = :tenantId';

export function transcriptStore(database: Database): TranscriptStore {
  return {
    async get(tenantId, jobId, version) {
      const row = database.get<VersionRow>(
        `SELECT jobId, version, transcripts.createdAtMs, editedBy, notes, transcript ${OF_TENANT} AND (:version IS NULL OR version = :version) ORDER BY version DESC LIMIT 1`,
        { tenantId, jobId, version: version ?? null },
      );
      return row && { ...row, transcript: JSON.parse(row.transcript) as Transcript };
    },
    async versions(tenantId, jobId) {
      return database.all(`SELECT jobId, version, transcripts.createdAtMs, editedBy, notes ${OF_TENANT} ORDER BY version`, { tenantId, jobId });
    },
    async edit(tenantId, jobId, baseVersion, transcript, editedBy, atMs, notes) {
      return database.transaction(() => {
        const { newest = null } = database.get<{ newest: number | null }>(`SELECT max(version) AS newest ${OF_TENANT}`, { tenantId, jobId }) ?? {};
        if (newest === null) throw new EarshotError('NOT_FOUND', 'There is no such transcript.');
        if (newest !== baseVersion) throw new EarshotError('SESSION_CONFLICT', `The transcript has changed meanwhile: its newest version is ${String(newest)}.`);
        putTranscript(database, { jobId, version: newest + 1, createdAtMs: atMs, editedBy, notes: notes ?? null, transcript });
        return newest + 1;
      });
    },
    async search(tenantId, query, page) {
      const words = query.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
      if (words.length === 0) return { items: [] };
      const hits = database.all<Hit>(
        `SELECT transcriptWords.jobId, createdAtMs, snippet(transcriptWords, 1, '', '', '…', 24) AS excerpt
         FROM transcriptWords JOIN jobs ON jobs.id = transcriptWords.jobId
         WHERE transcriptWords MATCH :match AND tenantId = :tenantId AND (createdAtMs, id) < (:afterAtMs, :afterId)
         ORDER BY createdAtMs DESC, id DESC LIMIT :limitAndOne`,
        // Quoted, so that no word of a caller is an operator of the query language.
        { tenantId, match: words.map((word) => `"${word.replaceAll('"', '""')}"`).join(' '), ...pageStart(page) },
      );
      return toPage(hits, page.limit, ({ jobId, excerpt }) => ({ jobId, excerpt }), ({ createdAtMs, jobId }) => ({ afterAtMs: createdAtMs, afterId: jobId }));
    },
  };
}

/** Inside a transaction: the newest version, and its words as what is searched. */
export function putTranscript(database: Database, { transcript, ...version }: TranscriptVersion): void {
  const { jobId } = version;
  database.insert('transcripts', { ...version, transcript: JSON.stringify(transcript) });
  const text = transcriptText(transcript);
  const changed = database.run('UPDATE transcriptWords SET text = :text WHERE rowid = (SELECT wordsRow FROM transcriptWordsOf WHERE jobId = :jobId)', { jobId, text });
  if (changed > 0) return;
  database.insert('transcriptWords', { jobId, text });
  database.run('INSERT INTO transcriptWordsOf VALUES (:jobId, last_insert_rowid())', { jobId });
}
