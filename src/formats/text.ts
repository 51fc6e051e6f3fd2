import { transcriptText, type Transcript } from '../core/session/transcribe.ts';
import { turnsOf, type Turn } from './turns.ts';

export interface TextOptions {
  /** Begin what another speaker says on a line of its own, after the name. */
  readonly speakers?: boolean;
  /** Begin a paragraph where the speaker changes or falls silent for long, and after some sentences. */
  readonly paragraphs?: boolean;
}

const PARAGRAPH_PAUSE_MS = 2000;
/** From here on, the next end of a sentence is the end of the paragraph. */
const LONG_PARAGRAPH_CHARS = 500;

/** Plain text: one line, unless the options ask for more. */
export function text(transcript: Transcript, { speakers = false, paragraphs = false }: TextOptions = {}): string {
  if (!speakers && !paragraphs) return `${transcriptText(transcript)}\n`;
  const blocks: string[] = [];
  let last: Turn | undefined;
  for (const turn of turnsOf(transcript)) {
    const said = turn.words.map((word) => word.text).join(' ');
    const speakerChanged = turn.speaker !== last?.speaker;
    if (!last || speakerChanged || (paragraphs && endsParagraph(last, turn, blocks.at(-1) ?? ''))) {
      blocks.push(speakers && speakerChanged && turn.speaker !== undefined ? `${turn.speaker}: ${said}` : said);
    } else {
      blocks.push(`${blocks.pop() ?? ''} ${said}`);
    }
    last = turn;
  }
  return `${blocks.join(paragraphs ? '\n\n' : '\n')}\n`;
}

function endsParagraph(before: Turn, after: Turn, paragraph: string): boolean {
  if ((after.words[0]?.startMs ?? 0) - (before.words.at(-1)?.endMs ?? 0) >= PARAGRAPH_PAUSE_MS) return true;
  return paragraph.length >= LONG_PARAGRAPH_CHARS && /[.?!…。？！]$/u.test(paragraph);
}
