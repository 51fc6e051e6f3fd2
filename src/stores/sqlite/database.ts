import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { EarshotError, toEarshotError } from '../../core/errors.ts';
import { MIGRATIONS } from './migrations.ts';

/** `EARS`, in the file's header: tells our database from any other. */
const APPLICATION_ID = 0x45_41_52_53;
/** So long is waited for another process's write, for example that of the command line. */
const BUSY_TIMEOUT_MS = 5000;

/** Primary result codes of SQLite that tell of the disk or of another process, not of a fault of ours (https://sqlite.org/rescode.html). */
const UNAVAILABLE: Readonly<Record<number, string>> = {
  5: 'is locked by another process',
  8: 'is read-only',
  10: 'cannot be read or written',
  11: 'is damaged',
  13: 'has no room left',
  14: 'cannot be opened',
  26: 'is not a database',
};
const CONSTRAINT = 19;

export type Row = Readonly<Record<string, SQLInputValue>>;

/**
 * One connection to one SQLite file. A transaction is on the disk before it returns (WAL with `synchronous=FULL`), also through a loss
 * of power, but for what is done `hastily`. Throws `STORE_UNAVAILABLE` where file or disk are at fault, `SLUG_CONFLICT` where a name is taken.
 */
export class Database {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /** `path` is a file or `:memory:`. Makes it or brings it to this version's schema. */
  constructor(path: string) {
    this.#database = explained(() => new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS }));
    try {
      // The deletion of a voiceprint or a transcript overwrites it.
      this.#exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;');
      this.#migrate();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Idempotent. */
  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  /** Runs `body` whole or not at all; nobody else writes meanwhile. */
  transaction<T>(body: () => T): T {
    this.#exec('BEGIN IMMEDIATE');
    try {
      const result = body();
      this.#exec('COMMIT');
      return result;
    } catch (error) {
      // A full disk has rolled back already.
      if (this.#database.isTransaction) this.#exec('ROLLBACK');
      throw error;
    }
  }

  /** Runs `body`, a single change, without waiting for the disk: the end of the process does not undo it, a loss of power may. */
  hastily(body: () => void): void {
    this.#exec('PRAGMA synchronous = NORMAL');
    try {
      body();
    } finally {
      this.#exec('PRAGMA synchronous = FULL');
    }
  }

  /** How many rows it changed. `sql` is one of a fixed set of texts: each is prepared once. */
  run(sql: string, values: Row = {}): number {
    return explained(() => Number(this.#prepared(sql).run(values).changes));
  }

  insert(table: string, row: Row): void {
    const columns = Object.keys(row);
    this.run(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map((column) => `:${column}`).join(', ')})`, row);
  }

  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- names the row that the SQL text makes
  get<T>(sql: string, values: Row = {}): T | undefined {
    return this.all<T>(sql, values)[0];
  }

  all<T>(sql: string, values: Row = {}): T[] {
    const rows: object[] = explained(() => this.#prepared(sql).all(values));
    return rows.map((row) => ({ ...row }) as T);
  }

  /** Takes what was deleted out of the log of changes too. */
  forget(): void {
    this.all('PRAGMA wal_checkpoint(TRUNCATE)');
  }

  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, (statement = this.#database.prepare(sql)));
    return statement;
  }

  #exec(sql: string): void {
    explained(() => {
      this.#database.exec(sql);
    });
  }

  #migrate(): void {
    this.transaction(() => {
      const { user_version: version = 0 } = this.get<{ user_version: number }>('PRAGMA user_version') ?? {};
      const { application_id: application = 0 } = this.get<{ application_id: number }>('PRAGMA application_id') ?? {};
      if (version > 0 && application !== APPLICATION_ID) throw unavailable('belongs to another program');
      if (version > MIGRATIONS.length) {
        throw unavailable(`was written by a newer Earshot (schema ${String(version)}, this one knows ${String(MIGRATIONS.length)}); update Earshot or restore a backup`);
      }
      for (const step of MIGRATIONS.slice(version)) this.#exec(step);
      this.#exec(`PRAGMA application_id = ${String(APPLICATION_ID)}; PRAGMA user_version = ${String(MIGRATIONS.length)};`);
    });
  }
}

/** Turns what SQLite throws into our codes. */
function explained<T>(body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof EarshotError) throw error;
    const result = (error as { errcode?: number }).errcode;
    const primary = result === undefined ? 0 : result & 0xff;
    const reason = UNAVAILABLE[primary];
    if (reason !== undefined) throw unavailable(reason, error);
    if (primary === CONSTRAINT && (error as Error).message.startsWith('UNIQUE')) throw new EarshotError('SLUG_CONFLICT', 'The id is taken.', { cause: error });
    throw toEarshotError(error);
  }
}

const unavailable = (reason: string, cause?: unknown): EarshotError =>
  new EarshotError('STORE_UNAVAILABLE', `The database of Earshot ${reason}.`, { cause });
