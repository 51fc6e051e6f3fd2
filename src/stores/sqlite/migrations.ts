/**
 * The schema, as the steps that led to it: step n takes a database of version n to version n + 1. A step that has been released is never
 * changed. Columns have the names of the records' fields; what is nested is JSON.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE policies (tenantId TEXT PRIMARY KEY, policy TEXT NOT NULL, updatedAtMs INTEGER NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE secrets (
    tenantId TEXT NOT NULL, name TEXT NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (tenantId, name)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE keys (
    id TEXT PRIMARY KEY, tenantId TEXT NOT NULL, name TEXT NOT NULL, secretHash TEXT NOT NULL UNIQUE, permissions TEXT NOT NULL,
    createdAtMs INTEGER NOT NULL, expiresAtMs INTEGER, revokedAtMs INTEGER, budget TEXT
  ) STRICT;
  CREATE INDEX keysOfTenant ON keys (tenantId, createdAtMs DESC, id DESC);

  CREATE TABLE jobs (
    id TEXT PRIMARY KEY, tenantId TEXT NOT NULL, keyId TEXT NOT NULL, source TEXT NOT NULL, request TEXT NOT NULL, dialect TEXT,
    status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
    progress REAL NOT NULL, attempts INTEGER NOT NULL, dueAtMs INTEGER NOT NULL, createdAtMs INTEGER NOT NULL,
    startedAtMs INTEGER, endedAtMs INTEGER, backend TEXT, languageDetected TEXT, audioMs REAL, audioBytes INTEGER, error TEXT,
    leaseOwner TEXT, leaseUntilMs INTEGER,
    CHECK ((status = 'running') = (leaseOwner IS NOT NULL) AND (leaseOwner IS NULL) = (leaseUntilMs IS NULL))
  ) STRICT;
  CREATE INDEX jobsOfTenant ON jobs (tenantId, createdAtMs DESC, id DESC);
  CREATE INDEX jobsQueued ON jobs (dueAtMs, createdAtMs, id) WHERE status = 'queued';
  CREATE INDEX jobsEnded ON jobs (endedAtMs, id) WHERE endedAtMs IS NOT NULL;
  CREATE INDEX jobsRunning ON jobs (leaseUntilMs) WHERE status = 'running';

  CREATE TABLE callbacks (
    id TEXT PRIMARY KEY, tenantId TEXT NOT NULL, jobId TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, url TEXT NOT NULL,
    body TEXT NOT NULL, attempts INTEGER NOT NULL, dueAtMs INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX callbacksDue ON callbacks (dueAtMs);
  CREATE INDEX callbacksOfJob ON callbacks (jobId);

  CREATE TABLE transcripts (
    jobId TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, version INTEGER NOT NULL, createdAtMs INTEGER NOT NULL,
    editedBy TEXT, transcript TEXT NOT NULL,
    PRIMARY KEY (jobId, version)
  ) STRICT;
  -- The words of the newest version of each transcript.
  CREATE VIRTUAL TABLE transcriptWords USING fts5 (jobId UNINDEXED, text, tokenize = "unicode61 remove_diacritics 2");
  INSERT INTO transcriptWords (transcriptWords, rank) VALUES ('secure-delete', 1);
  CREATE TABLE transcriptWordsOf (jobId TEXT PRIMARY KEY, wordsRow INTEGER NOT NULL) STRICT;
  CREATE TRIGGER transcriptWordsGone AFTER DELETE ON jobs BEGIN
    DELETE FROM transcriptWords WHERE rowid = (SELECT wordsRow FROM transcriptWordsOf WHERE jobId = old.id);
    DELETE FROM transcriptWordsOf WHERE jobId = old.id;
  END;

  CREATE TABLE speakers (
    id TEXT PRIMARY KEY, tenantId TEXT NOT NULL, displayName TEXT NOT NULL, languagePrimary TEXT NOT NULL, description TEXT,
    status TEXT NOT NULL CHECK (status IN ('pending', 'ready', 'failed', 'erased')), failureReason TEXT,
    consentId TEXT NOT NULL UNIQUE REFERENCES consents (id), createdAtMs INTEGER NOT NULL, expiresAtMs INTEGER, erasedAtMs INTEGER
  ) STRICT;
  CREATE INDEX speakersOfTenant ON speakers (tenantId, createdAtMs DESC, id DESC);
  CREATE INDEX speakersExpiring ON speakers (expiresAtMs) WHERE expiresAtMs IS NOT NULL AND status <> 'erased';

  CREATE TABLE consents (
    id TEXT PRIMARY KEY, userFullName TEXT NOT NULL, statedPurpose TEXT NOT NULL, text TEXT NOT NULL, recordingSha256 TEXT NOT NULL,
    recordedAtMs INTEGER NOT NULL
  ) STRICT;
  CREATE TRIGGER consentsStay BEFORE DELETE ON consents BEGIN SELECT raise(ABORT, 'consents are kept'); END;
  CREATE TRIGGER consentsAsGiven BEFORE UPDATE ON consents BEGIN SELECT raise(ABORT, 'consents are never changed'); END;

  CREATE TABLE voiceprints (
    speakerId TEXT PRIMARY KEY REFERENCES speakers (id) ON DELETE CASCADE, engine TEXT NOT NULL, sealed BLOB NOT NULL
  ) STRICT;

  CREATE TABLE usage (
    id TEXT PRIMARY KEY, tenantId TEXT NOT NULL, keyId TEXT NOT NULL, transport TEXT NOT NULL, backend TEXT NOT NULL, jobId TEXT,
    atMs INTEGER NOT NULL, durationMs REAL NOT NULL, audioBytes INTEGER, heardSamples INTEGER NOT NULL,
    speechSamples INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX usageOfTenant ON usage (tenantId, atMs);
  CREATE TRIGGER usageStays BEFORE DELETE ON usage BEGIN SELECT raise(ABORT, 'usage is kept'); END;
  CREATE TRIGGER usageAsRecorded BEFORE UPDATE ON usage BEGIN SELECT raise(ABORT, 'usage is never changed'); END;

  -- Sums of usage per account, so that a budget is checked without adding up a month.
  CREATE TABLE spent (
    owner TEXT NOT NULL, id TEXT NOT NULL, period TEXT NOT NULL, samples INTEGER NOT NULL,
    PRIMARY KEY (owner, id, period)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE reservations (
    id TEXT NOT NULL, owner TEXT NOT NULL, accountId TEXT NOT NULL, period TEXT NOT NULL, samples INTEGER NOT NULL,
    untilMs INTEGER NOT NULL,
    PRIMARY KEY (id, owner, accountId, period)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX reservationsOfAccount ON reservations (owner, accountId, period, untilMs, samples);

  CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT, tenantId TEXT NOT NULL, keyId TEXT NOT NULL, atMs INTEGER NOT NULL, action TEXT NOT NULL,
    subject TEXT NOT NULL, details TEXT NOT NULL
  ) STRICT;
  CREATE INDEX auditOfTenant ON audit (tenantId, number DESC);
  CREATE TRIGGER auditStays BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;
  CREATE TRIGGER auditAsWritten BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;
  `,
  `
  ALTER TABLE speakers ADD COLUMN referenceBlob TEXT NOT NULL DEFAULT '';
  ALTER TABLE speakers ADD COLUMN consentBlob TEXT NOT NULL DEFAULT '';
  CREATE INDEX speakersPending ON speakers (createdAtMs, id) WHERE status = 'pending';
  `,
  `
  -- For protocols whose job ids are integers. A number is older than its job where that is still being spoken.
  CREATE TABLE jobNumbers (number INTEGER PRIMARY KEY AUTOINCREMENT, jobId TEXT NOT NULL UNIQUE, tenantId TEXT NOT NULL) STRICT;
  CREATE TRIGGER jobNumbersGone AFTER DELETE ON jobs BEGIN
    DELETE FROM jobNumbers WHERE jobId = old.id;
  END;
  `,
  `
  ALTER TABLE callbacks ADD COLUMN method TEXT NOT NULL DEFAULT 'POST';
  `,
  `
  ALTER TABLE transcripts ADD COLUMN notes TEXT;
  CREATE TABLE webhookEndpoints (
    id TEXT PRIMARY KEY, tenantId TEXT NOT NULL, url TEXT NOT NULL, events TEXT NOT NULL, active INTEGER NOT NULL, description TEXT,
    sealedSecret BLOB NOT NULL, createdAtMs INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX webhookEndpointsOfTenant ON webhookEndpoints (tenantId, createdAtMs DESC, id DESC);
  CREATE TABLE webhookDeliveries (
    id TEXT PRIMARY KEY, tenantId TEXT NOT NULL, endpointId TEXT NOT NULL REFERENCES webhookEndpoints (id) ON DELETE CASCADE,
    event TEXT NOT NULL, jobId TEXT REFERENCES jobs (id) ON DELETE CASCADE, createdAtMs INTEGER NOT NULL, attempts INTEGER NOT NULL,
    dueAtMs INTEGER, deliveredAtMs INTEGER, responseStatus INTEGER, problem TEXT
  ) STRICT;
  CREATE INDEX webhookDeliveriesDue ON webhookDeliveries (dueAtMs, id) WHERE dueAtMs IS NOT NULL;
  CREATE INDEX webhookDeliveriesOfEndpoint ON webhookDeliveries (endpointId, createdAtMs DESC, id DESC);
  CREATE INDEX webhookDeliveriesOfJob ON webhookDeliveries (jobId);
  -- A job that ends is owed to those who want to know, in the transaction that ends it: whichever verb that is.
  CREATE TRIGGER jobsTold AFTER UPDATE OF status ON jobs WHEN new.status IN ('completed', 'failed', 'cancelled') AND old.status <> new.status BEGIN
    INSERT INTO webhookDeliveries (id, tenantId, endpointId, event, jobId, createdAtMs, attempts, dueAtMs)
    SELECT 'evt_' || lower(hex(randomblob(16))), new.tenantId, id, 'job.' || new.status, new.id, new.endedAtMs, 0, new.endedAtMs FROM webhookEndpoints
    WHERE tenantId = new.tenantId AND active = 1 AND EXISTS (SELECT 1 FROM json_each(events) WHERE value = 'job.' || new.status);
  END;
  CREATE TRIGGER liveJobsTold AFTER INSERT ON jobs WHEN new.status IN ('completed', 'failed', 'cancelled') BEGIN
    INSERT INTO webhookDeliveries (id, tenantId, endpointId, event, jobId, createdAtMs, attempts, dueAtMs)
    SELECT 'evt_' || lower(hex(randomblob(16))), new.tenantId, id, 'job.' || new.status, new.id, coalesce(new.endedAtMs, new.createdAtMs), 0, coalesce(new.endedAtMs, new.createdAtMs)
    FROM webhookEndpoints
    WHERE tenantId = new.tenantId AND active = 1 AND EXISTS (SELECT 1 FROM json_each(events) WHERE value = 'job.' || new.status);
  END;
  `,
  `
  -- What was said in sessions that are still spoken. A session's job ends its record.
  CREATE TABLE liveSessions (id TEXT PRIMARY KEY, openedAtMs INTEGER NOT NULL, job TEXT NOT NULL, model TEXT NOT NULL) STRICT;
  CREATE TABLE liveUtterances (
    number INTEGER PRIMARY KEY AUTOINCREMENT, sessionId TEXT NOT NULL REFERENCES liveSessions (id) ON DELETE CASCADE, utterance TEXT NOT NULL
  ) STRICT;
  CREATE INDEX liveUtterancesOfSession ON liveUtterances (sessionId, number);
  CREATE TRIGGER liveSessionsEnded AFTER INSERT ON jobs BEGIN
    DELETE FROM liveSessions WHERE id = new.id;
  END;
  `,
  `
  -- What calls that go on have heard so far, so that it is accounted for when their server dies.
  CREATE TABLE usageNotes (id TEXT PRIMARY KEY, usage TEXT NOT NULL, reservationId TEXT) STRICT;
  `,
  `
  -- Callbacks of live sessions, in their order.
  CREATE TABLE liveCallbacks (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, tenantId TEXT NOT NULL, sessionId TEXT NOT NULL, url TEXT NOT NULL, body TEXT NOT NULL
  ) STRICT;
  `,
  `
  ALTER TABLE keys ADD COLUMN maxSessions INTEGER;
  `,
];
