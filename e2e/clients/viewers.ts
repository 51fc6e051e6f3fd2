import assert from 'node:assert/strict';
import type { Frame } from './wire.ts';

/** Reads server-sent events until the session ends. */
export async function readEvents(url: string, onFrame: (frame: Frame) => void, headers: Readonly<Record<string, string>> = {}): Promise<void> {
  const response = await fetch(url, { headers });
  assert.equal(response.status, 200);
  let text = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (data !== undefined) onFrame(JSON.parse(data) as Frame);
    }
  }
}
