import { keepApiKey } from './api-key.ts';
import { element } from './dom.ts';
import { type Problem } from '../../client/browser.ts';
import { sentenceFor } from './problem.ts';

/** What the page says beside the captions: problems, notes, short confirmations, and the question for a key. */
export class Messages {
  readonly #problem = element('problem', HTMLElement);
  readonly #problemText = element('problem-text', HTMLElement);
  readonly #problemCode = element('problem-code', HTMLElement);
  readonly #note = element('note', HTMLElement);
  readonly #announcement = element('announcement', HTMLElement);
  readonly #keyForm = element('key-form', HTMLFormElement);
  readonly #keyInput = element('key-input', HTMLInputElement);
  #afterKey: (() => void) | undefined;

  constructor() {
    element('problem-dismiss', HTMLButtonElement).addEventListener('click', () => this.clearProblem());
    this.#keyForm.addEventListener('submit', (event) => {
      event.preventDefault();
      const key = this.#keyInput.value.trim();
      if (key === '') return;
      keepApiKey(key);
      this.#keyInput.value = '';
      this.#keyForm.hidden = true;
      this.clearProblem();
      this.#afterKey?.();
    });
  }

  /** `retry` is what to do once the person has given a key, if that is what was missing. */
  showProblem(problem: Problem, retry: () => void): void {
    this.#problemText.textContent = sentenceFor(problem);
    this.#problemCode.textContent = problem.code;
    this.#problem.hidden = false;
    if (!problem.needsKey) return;
    this.#afterKey = retry;
    this.#keyForm.hidden = false;
    this.#keyInput.focus();
  }

  clearProblem(): void {
    this.#problem.hidden = true;
    this.#problemText.textContent = '';
    this.#problemCode.textContent = '';
  }

  /** A lasting note; an empty one hides it. */
  note(text: string): void {
    this.#note.textContent = text;
  }

  /** Only for screen readers. */
  readonly announce = (text: string): void => {
    this.#announcement.textContent = text;
  };
}
