import { readdirSync, readFileSync } from 'node:fs';

/** Environment variable that every process started by a test file inherits, whoever its parent becomes later. */
export const MARK_VARIABLE = 'TEST_FILE_MARK';

export interface MarkedProcess {
  readonly pid: number;
  /** The command line, one blank between arguments. */
  readonly command: string;
}

/** Living processes whose mark starts with `mark`, this one left out. Linux only: elsewhere none are found. */
export function findMarkedProcesses(mark: string): MarkedProcess[] {
  return processIds()
    .filter((pid) => pid !== process.pid && readProc(pid, 'environ').includes(`${MARK_VARIABLE}=${mark}`))
    .map((pid) => ({ pid, command: readProc(pid, 'cmdline').replaceAll('\0', ' ').trim() }))
    .filter(({ command }) => command !== '');
}

/** Kills the living processes with this text on their command line. Linux only. */
export function killByCommand(text: string): void {
  for (const pid of processIds()) if (readProc(pid, 'cmdline').includes(text)) kill(pid);
}

export function killMarkedProcesses(mark: string): MarkedProcess[] {
  const found = findMarkedProcesses(mark);
  for (const { pid } of found) kill(pid);
  return found;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself in the meantime.
  }
}

function processIds(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

function readProc(pid: number, name: 'environ' | 'cmdline'): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1');
  } catch {
    return '';
  }
}
