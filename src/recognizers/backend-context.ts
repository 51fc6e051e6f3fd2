import type { Config } from '../config/config.ts';
import type { Backend } from '../core/backend.ts';
import type { BatchHold } from './adapters/batch-hold.ts';

/** What a backend is made from. */
export interface BackendContext {
  readonly config: Config;
  readonly log: BackendLog;
  /** Shared by all engines of this machine. Default: each has its own. */
  readonly hold?: BatchHold;
  /** A secret of a tenant, opened: the key of a relay (`relay-ID`). Default: tenants have none. */
  readonly tenantSecret?: (tenantId: string, name: string) => Promise<string | undefined>;
}

/** The part of the logger that backends use. Never given transcript text, audio or credentials. */
export interface BackendLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** One or several; undefined where the settings leave this backend out. Starts what it needs; does not wait for it. */
export type CreateBackend = (context: BackendContext) => Backend | readonly Backend[] | undefined;
