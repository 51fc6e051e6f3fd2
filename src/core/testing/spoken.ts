import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const WAV_HEADER_BYTES = 44;

/** Debian's flite says `text`, always the same way: mono, 16 kHz. */
export function spoken(text: string, voice: 'slt' | 'rms' = 'slt'): Int16Array {
  const folder = mkdtempSync(path.join(tmpdir(), 'earshot-speech-'));
  try {
    const file = path.join(folder, 'speech.wav');
    execFileSync('flite', ['-voice', voice, '-t', text, '-o', file]);
    return new Int16Array(Uint8Array.from(readFileSync(file).subarray(WAV_HEADER_BYTES)).buffer);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
