import type { z } from 'zod';
import type { SessionWish } from '../core/admission.ts';
import type { Permission, Principal } from '../core/principal.ts';
import type { Session } from '../core/session/session.ts';
import type { Sessions } from '../core/session/sessions.ts';
import type { Transcript } from '../core/session/transcribe.ts';
import type { TranscriptStore } from '../core/store/transcripts.ts';
import type { DescribeJob } from '../jobs/job-description.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { Enrolment } from '../speakers/enrolment.ts';

/** Hears a file to its end, and keeps the transcript. Rejects with what refuses or ends its session. */
export type HearFile = (
  caller: Principal,
  file: Uint8Array,
  wish: SessionWish,
  options: Pick<ToolCall, 'signal' | 'progress'>,
) => Promise<{ readonly session: Session; readonly transcript: Transcript }>;

/** What the tools work with: the services of the HTTP routes. */
export interface McpServices {
  readonly hear: HearFile;
  readonly sessions: Pick<Sessions, 'ofTenant'>;
  readonly jobs: Jobs;
  readonly transcripts: TranscriptStore;
  readonly enrolment: Pick<Enrolment, 'list'>;
  readonly describe: DescribeJob;
  readonly log: { error(fields: object, message: string): void };
}

/** One call of a tool. */
export interface ToolCall {
  readonly caller: Principal;
  readonly services: McpServices;
  /** Aborts when the client cancels or goes away. */
  readonly signal: AbortSignal;
  /** Told how many milliseconds of audio are done; reaches clients that asked for it. */
  readonly progress: (settledMs: number) => void;
}

/** What a tool answers: data, and text where reading that is better than reading data. */
export interface ToolAnswer {
  readonly data: Readonly<Record<string, unknown>>;
  readonly text?: string;
}

export interface Tool {
  readonly name: string;
  readonly title: string;
  /** For the model that decides to use it. */
  readonly description: string;
  /** Whoever has it not does not see the tool. */
  readonly permission: Permission;
  readonly isReadOnly: boolean;
  readonly input: z.ZodObject;
  /** `input` has been checked. Throws `EarshotError`. */
  readonly run: (input: unknown, call: ToolCall) => Promise<ToolAnswer>;
}

/** Gives the types of its schema to the function of a tool. */
export function tool<T extends z.ZodObject>(
  definition: Omit<Tool, 'input' | 'run'> & { readonly input: T; readonly run: (input: z.output<T>, call: ToolCall) => Promise<ToolAnswer> },
): Tool {
  return { ...definition, run: (input, call) => definition.run(input as z.output<T>, call) };
}
