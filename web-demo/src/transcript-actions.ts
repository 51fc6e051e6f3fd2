import { MEDIA_TYPES, fileName, formatSubtitles, type SubtitleFormat } from './subtitles.ts';
import type { Transcript } from './transcript.ts';

/** How long a button says that it was done, in milliseconds. */
const SAID_MS = 1800;

/** Copy, download and clear for one transcript: the buttons with `data-action` inside `group`. */
export function bindTranscriptActions(group: HTMLElement, transcript: Transcript, announce: (message: string) => void): void {
  const buttons = [...group.querySelectorAll<HTMLButtonElement>('button[data-action]')];
  const refresh = (): void => {
    const isEmpty = transcript.finals.length === 0;
    for (const button of buttons) button.disabled = isEmpty;
  };
  transcript.onChange((change) => {
    if (change.type !== 'updated' || change.utterance.isFinal) refresh();
  });
  refresh();

  for (const button of buttons) {
    button.addEventListener('click', () => {
      const action = button.dataset['action'];
      switch (action) {
        case 'copy':
          void copy(formatSubtitles(transcript.finals, 'txt')).then((copied) => {
            announce(copied ? 'Transcript copied.' : 'The browser did not allow copying.');
            if (copied) sayDone(button);
          });
          return;
        case 'txt':
        case 'srt':
        case 'vtt':
          download(formatSubtitles(transcript.finals, action), action);
          announce(`${fileName(new Date(), action)} was downloaded.`);
          return;
        case 'clear':
          transcript.clear();
          announce('Transcript cleared.');
          return;
        default:
          return;
      }
    });
  }
}

function sayDone(button: HTMLButtonElement): void {
  button.classList.add('done');
  setTimeout(() => button.classList.remove('done'), SAID_MS);
}

function download(text: string, format: SubtitleFormat): void {
  const url = URL.createObjectURL(new Blob([text], { type: MEDIA_TYPES[format] }));
  const link = document.createElement('a');
  link.href = url;
  link.download = fileName(new Date(), format);
  link.click();
  // The browser reads the blob after the click has returned.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** Pages on plain http have no clipboard; a selection may still be copied there. */
function copyBySelection(text: string): boolean {
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'visually-hidden';
  document.body.append(area);
  area.select();
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- nothing else copies on plain http
  const copied = document.execCommand('copy');
  area.remove();
  return copied;
}
