import { formatOf, frameBytesOf, type GladiaInit } from '../../../signaling/dialects/gladia-init.ts';

/** Format tags of RIFF WAVE (RFC 2361). */
const FORMAT_TAGS = { 'wav/pcm': 1, 'wav/alaw': 6, 'wav/ulaw': 7 } as const;
const HEADER_BYTES = 44;
const MAX_UINT32 = 0xffff_ffff;

/** Recorded audio as a WAV file. A recording that brought a header of its own is one already. */
export async function* wavOf(audio: AsyncIterable<Uint8Array>, init: GladiaInit, audioBytes: number): AsyncGenerator<Uint8Array, void, void> {
  let isFirst = true;
  for await (const bytes of audio) {
    if (isFirst && Buffer.from(bytes.subarray(0, 4)).toString('latin1') !== 'RIFF') yield wavHeader(init, audioBytes);
    isFirst = false;
    yield bytes;
  }
}

function wavHeader(init: GladiaInit, audioBytes: number): Uint8Array {
  const { sampleRateHz = 0, channels = 1 } = formatOf(init);
  const frameBytes = frameBytesOf(init);
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(Math.min(MAX_UINT32, HEADER_BYTES - 8 + audioBytes), 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(FORMAT_TAGS[init.encoding], 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(sampleRateHz, 24);
  header.writeUInt32LE(sampleRateHz * frameBytes, 28);
  header.writeUInt16LE(frameBytes, 32);
  header.writeUInt16LE((frameBytes / channels) * 8, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(Math.min(MAX_UINT32, audioBytes), 40);
  return header;
}
