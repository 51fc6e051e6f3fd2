import type { z } from 'zod';
import type { ErrorDetail } from '../core/errors.ts';
import { invalid } from '../../signaling/dialects/fields.ts';
import { languageHint } from '../../signaling/dialects/scaiecho.ts';

/** Checks foreign JSON. Throws `VALIDATION_ERROR` that names every field at fault. */
export function parse<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw invalid(
    result.error.issues.map((issue) => ({ field: issue.path.join('.') || 'body', message: issue.message })),
  );
}

/** A `language_hint` as two lower-case letters, if there is one. */
export function parseLanguage(value: unknown): string | undefined {
  const details: ErrorDetail[] = [];
  const language = languageHint(value, details);
  if (details.length > 0) throw invalid(details);
  return language;
}
