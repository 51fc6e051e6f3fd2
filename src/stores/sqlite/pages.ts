import { EarshotError } from '../../core/errors.ts';
import type { Page, PageRequest } from '../../core/store/page.ts';

const MAX_LIMIT = 200;

/** Where a page begins: after the row with these values of the two columns that give the order. */
export interface PageStart {
  readonly afterAtMs: number;
  readonly afterId: string;
}

/** Every row comes after this. */
const FIRST: PageStart = { afterAtMs: Number.MAX_SAFE_INTEGER, afterId: '' };

/** Throws `VALIDATION_ERROR` for a limit out of range and for an `after` that no page gave. */
export function pageStart(page: PageRequest): PageStart & { readonly limitAndOne: number } {
  if (!Number.isInteger(page.limit) || page.limit < 1 || page.limit > MAX_LIMIT) throw invalid('limit', `a whole number from 1 to ${String(MAX_LIMIT)}`);
  return { ...(page.after === undefined ? FIRST : decode(page.after)), limitAndOne: page.limit + 1 };
}

/** A page out of up to `limit + 1` rows in order. */
export function toPage<Stored, T>(rows: readonly Stored[], limit: number, item: (row: Stored) => T, position: (row: Stored) => PageStart): Page<T> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown.map(item), ...(rows.length > limit && last !== undefined && { next: encode(position(last)) }) };
}

const encode = ({ afterAtMs, afterId }: PageStart): string => Buffer.from(`${String(afterAtMs)} ${afterId}`).toString('base64url');

function decode(after: string): PageStart {
  const [, atMs, afterId = ''] = /^(\d{1,16}) ([^]*)$/.exec(Buffer.from(after, 'base64url').toString()) ?? [];
  if (atMs === undefined) throw invalid('after', 'the `next` of an earlier page');
  return { afterAtMs: Number(atMs), afterId };
}

const invalid = (field: string, message: string): EarshotError => new EarshotError('VALIDATION_ERROR', `${field} is not valid.`, { details: [{ field, message }] });
