import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const WAV_HEADER_BYTES = 44;

/** Debian's flite says `text`: mono, 16 kHz. */
export function spoken(text: string): Int16Array {
  const folder = mkdtempSync(path.join(tmpdir(), 'earshot-vad-'));
  try {
    const file = path.join(folder, 'speech.wav');
    execFileSync('flite', ['-voice', 'slt', '-t', text, '-o', file]);
    return new Int16Array(Uint8Array.from(readFileSync(file).subarray(WAV_HEADER_BYTES)).buffer);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** White noise, the same every time. */
export function noise(samples: number, amplitude: number): Int16Array {
  let state = 1;
  return Int16Array.from({ length: samples }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.round((state / 2 ** 31 - 1) * amplitude);
  });
}
