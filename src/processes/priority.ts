import { readdirSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

/** The lowest that there is. */
const MAX_NICENESS = 19;

/** Of all that works for jobs: it takes what live captions leave. */
export const BATCH_NICENESS = 10;

/**
 * Lowers the priority of a process with all its threads to `niceness` below this process's own; what they start from then on inherits it. On Linux a niceness belongs to one thread, and the
 * number of a process is that of its main thread alone: the threads on which native code computes would keep theirs.
 * A process that is dying already has no priority; its exit is told right after.
 */
export function lowerPriority(pid: number, niceness: number): void {
  const lowered = Math.min(MAX_NICENESS, getPriority() + niceness);
  for (const thread of threadsOf(pid)) {
    try {
      setPriority(thread, lowered);
    } catch (error) {
      if ((error as { readonly info?: { readonly code?: string } }).info?.code !== 'ESRCH') throw error;
    }
  }
}

/** Where the system does not list them, the process stands for them all. */
function threadsOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${String(pid)}/task`).map(Number);
  } catch {
    return [pid];
  }
}
