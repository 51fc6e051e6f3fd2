import type { z } from 'zod';
import { EarshotError, type ErrorDetail } from '../core/errors.ts';
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

/** A value out of a fixed list, or the first of the list if there is none. */
export function parseChoice<T extends string>(field: string, value: string | undefined, choices: readonly [T, ...T[]]): T {
  if (value === undefined || value === '') return choices[0];
  const choice = choices.find((candidate) => candidate === value);
  if (choice !== undefined) return choice;
  throw new EarshotError('VALIDATION_ERROR', `Unknown ${field}.`, {
    details: [{ field, message: `one of ${choices.join(', ')}` }],
  });
}
