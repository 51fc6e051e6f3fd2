const HEADER_BYTES = 44;

/** What a WAV header says; the defaults are true of 16 kHz mono samples of 16 bits. */
export interface WavClaims {
  readonly channels?: number;
  readonly sampleRateHz?: number;
  readonly bitsPerSample?: number;
  /** Size of the samples as announced. Default: their true size. */
  readonly dataBytes?: number;
}

/** A WAV file around raw samples, with a header that may lie. */
export function wavFile(samples: Uint8Array, claims: WavClaims = {}): Buffer {
  const { channels = 1, sampleRateHz = 16_000, bitsPerSample = 16, dataBytes = samples.length } = claims;
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(Math.min(0xffff_ffff, dataBytes + HEADER_BYTES - 8), 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(sampleRateHz, 24);
  header.writeUInt32LE(((sampleRateHz * channels * bitsPerSample) / 8) % 2 ** 32, 28);
  header.writeUInt16LE((channels * bitsPerSample) / 8, 32);
  header.writeUInt16LE(bitsPerSample, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(dataBytes, 40);
  return Buffer.concat([header, samples]);
}

/** The samples of a WAV file, as bytes. */
export function samplesOf(wav: Uint8Array): Uint8Array {
  return wav.subarray(Buffer.from(wav.buffer, wav.byteOffset, wav.byteLength).indexOf('data') + 8);
}
