import { CaptionView } from './caption-view.ts';
import { clockTime, element } from './dom.ts';
import { FILE_ENDINGS, transcribeFile, type FileProgress } from './file-transcriber.ts';
import type { Messages } from './messages.ts';
import { toProblem } from './problem.ts';
import { bindTranscriptActions } from './transcript-actions.ts';
import { Transcript } from './transcript.ts';

/** The side of the page for recordings: drop or choose one, watch its progress, read its transcript. */
export class FilePanel {
  readonly #messages: Messages;
  readonly #transcript = new Transcript();
  readonly #view: CaptionView;
  readonly #result = element('file-result', HTMLElement);
  readonly #name = element('file-name', HTMLElement);
  readonly #state = element('file-state', HTMLElement);
  readonly #progress = element('file-progress', HTMLProgressElement);
  readonly #cancel = element('file-cancel', HTMLButtonElement);
  #abort: AbortController | undefined;

  constructor(messages: Messages) {
    this.#messages = messages;
    this.#view = new CaptionView(element('file-captions', HTMLElement), element('file-jump', HTMLButtonElement), this.#transcript);
    bindTranscriptActions(element('file-actions', HTMLElement), this.#transcript, messages.announce);
    const input = element('file-input', HTMLInputElement);
    input.accept = FILE_ENDINGS;
    input.addEventListener('change', () => {
      const file = input.files?.[0];
      // The same file may be chosen again.
      input.value = '';
      if (file) void this.#transcribe(file);
    });
    this.#cancel.addEventListener('click', () => this.#abort?.abort());
    this.#acceptDrops();
  }

  showConfidence(shown: boolean): void {
    this.#view.showConfidence(shown);
  }

  /** A file may be dropped anywhere on the page. */
  #acceptDrops(): void {
    const carriesFile = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
    addEventListener('dragover', (event) => {
      if (!carriesFile(event)) return;
      event.preventDefault();
      document.body.classList.add('dropping');
    });
    addEventListener('dragleave', (event) => {
      if (event.relatedTarget === null) document.body.classList.remove('dropping');
    });
    addEventListener('drop', (event) => {
      if (!carriesFile(event)) return;
      event.preventDefault();
      document.body.classList.remove('dropping');
      const file = event.dataTransfer?.files[0];
      if (file) void this.#transcribe(file);
    });
  }

  /** A new file takes the place of the one before, even in the middle of it. */
  async #transcribe(file: File): Promise<void> {
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    this.#messages.clearProblem();
    this.#begin(file.name);
    try {
      await transcribeFile(file, {
        delta: (delta) => this.#transcript.apply(delta),
        progress: (progress) => this.#showProgress(progress),
      }, abort.signal);
      this.#end('done', this.#transcript.finals.length > 0 ? 'Transcribed' : 'No speech was found');
    } catch (error) {
      if (this.#abort !== abort) return;
      if (abort.signal.aborted) {
        this.#end('cancelled', 'Cancelled');
        return;
      }
      this.#end('failed', 'Failed');
      this.#messages.showProblem(toProblem(error), () => void this.#transcribe(file));
    }
  }

  #begin(name: string): void {
    this.#transcript.clear();
    this.#transcript.beginStream(0);
    this.#result.hidden = false;
    this.#result.dataset['state'] = 'running';
    this.#name.textContent = name;
    this.#state.textContent = 'Connecting';
    this.#progress.hidden = false;
    this.#progress.value = 0;
    this.#cancel.hidden = false;
    this.#messages.announce(`Transcribing ${name}.`);
    this.#result.scrollIntoView({ block: 'nearest' });
  }

  #end(state: 'done' | 'cancelled' | 'failed', text: string): void {
    this.#transcript.dropInterims();
    this.#result.dataset['state'] = state;
    this.#state.textContent = text;
    this.#progress.value = 1;
    this.#progress.hidden = state !== 'done';
    this.#cancel.hidden = true;
    this.#messages.announce(`${text}.`);
  }

  #showProgress({ fraction, recognizedSeconds, totalSeconds }: FileProgress): void {
    if (fraction === undefined) this.#progress.removeAttribute('value');
    else this.#progress.value = fraction;
    const total = totalSeconds === undefined ? '' : ` of ${clockTime(totalSeconds)}`;
    const percent = fraction === undefined ? '' : `${Math.floor(fraction * 100)} % · `;
    this.#state.textContent = recognizedSeconds > 0 || fraction === undefined
      ? `${percent}${clockTime(recognizedSeconds)}${total}`
      : `${percent}sending`;
  }
}
