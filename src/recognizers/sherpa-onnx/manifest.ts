import { z } from 'zod';
import { EarshotError } from '../../core/errors.ts';
import { MODEL_FAMILIES } from './families.ts';

const languageCode = z.string().regex(/^[a-z]{2}$/, 'an ISO 639-1 code such as "en"');
const file = z.string().min(1).refine((path) => !path.startsWith('/') && !path.split(/[\\/]/).includes('..'), 'a path inside the folder');

const schema = z.strictObject({
  /** What kind of model it is, where the names of folder and files do not tell, or tell it wrong. */
  family: z.enum(MODEL_FAMILIES).optional(),
  languages: z.array(languageCode).min(1).optional(),
  displayName: z.string().min(1).max(100).optional(),
  /** Files by their role (`encoder`, `model`, `tokens`, ...), relative to the folder. */
  files: z.record(z.string(), file).optional(),
  /** Which of several files for the same role is taken. Default: int8. */
  precision: z.enum(['int8', 'fp16', 'fp32']).optional(),
  /** Folder of a punctuation model among the installed models, whose marks are added to finals. */
  punctuation: z.string().min(1).optional(),
  /** How well it serves against other models, 1 to 100. Default: by its family. */
  rank: z.strictObject({ live: z.int().min(0).max(100).optional(), batch: z.int().min(0).max(100).optional() }).optional(),
  /** Threads of one decoding step. Default: all cores, at most 4. */
  numThreads: z.int().min(1).max(64).optional(),
  decodingMethod: z.enum(['greedy_search', 'modified_beam_search']).optional(),
  /** Longest stretch that the model takes at once, in seconds. */
  maxSegmentSeconds: z.number().min(1).max(60).optional(),
});

/** What `manifest.json` in a model's folder may say. All of it is optional. */
export type ModelManifest = z.output<typeof schema>;

/** Reads a manifest. Throws `VALIDATION_ERROR` that names the field. */
export function parseManifest(json: string): ModelManifest {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new EarshotError('VALIDATION_ERROR', 'manifest.json is not JSON.', { cause });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const details = result.error.issues.map((issue) => ({ field: issue.path.join('.') || 'manifest', message: issue.message }));
  throw new EarshotError('VALIDATION_ERROR', `manifest.json: ${details.map(({ field, message }) => `${field}: ${message}`).join('; ')}`, { details });
}
