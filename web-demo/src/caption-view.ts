import { clockTime } from './dom.ts';
import { followEnd } from './follow-end.ts';
import { laneName } from './subtitles.ts';
import { confidenceBand, type Transcript, type Utterance } from './transcript.ts';

interface Paragraph {
  readonly element: HTMLElement;
  readonly words: HTMLElement[];
}

/**
 * Draws a transcript into a log, word by word: a word that did not change keeps its node, so settled words never flicker.
 * A final becomes a new paragraph that takes the words over; to a screen reader it is one addition, read once, while the
 * interims before it are silent.
 */
export class CaptionView {
  readonly #log: HTMLElement;
  readonly #paragraphs = new Map<string, Paragraph>();
  readonly #grown: () => void;
  #showsConfidence = false;

  constructor(log: HTMLElement, jumpButton: HTMLButtonElement, transcript: Transcript) {
    this.#log = log;
    this.#grown = followEnd(log, jumpButton);
    transcript.onChange((change) => {
      switch (change.type) {
        case 'updated':
          this.#draw(change.utterance);
          break;
        case 'dropped':
          this.#paragraphs.get(change.id)?.element.remove();
          this.#paragraphs.delete(change.id);
          break;
        case 'cleared':
          this.#paragraphs.clear();
          this.#log.replaceChildren();
          break;
      }
      this.#grown();
    });
  }

  showConfidence(shown: boolean): void {
    this.#showsConfidence = shown;
    this.#log.classList.toggle('shows-confidence', shown);
    for (const { words } of this.#paragraphs.values()) for (const word of words) this.#setTooltip(word);
    this.#grown();
  }

  #draw(utterance: Utterance): void {
    const drawn = this.#paragraphs.get(utterance.id);
    const paragraph = !drawn || utterance.isFinal ? this.#begin(utterance, drawn) : drawn;
    this.#reconcile(paragraph, utterance);
    if (drawn && drawn !== paragraph) drawn.element.replaceWith(paragraph.element);
    else if (!drawn) this.#log.append(paragraph.element);
    this.#paragraphs.set(utterance.id, paragraph);
  }

  #begin(utterance: Utterance, drawn: Paragraph | undefined): Paragraph {
    const element = document.createElement('p');
    element.className = 'utterance';
    element.dataset['final'] = String(utterance.isFinal);
    element.dataset['time'] = clockTime(utterance.startSeconds);
    element.dataset['lane'] = laneName(utterance.lane);
    if (utterance.lane > 0) this.#log.classList.add('has-lanes');
    if (!utterance.isFinal) element.setAttribute('aria-live', 'off');
    if (drawn) element.append(...drawn.element.childNodes);
    return { element, words: drawn?.words ?? [] };
  }

  #reconcile({ element, words }: Paragraph, utterance: Utterance): void {
    utterance.words.forEach((word, index) => {
      let span = words[index];
      if (!span) {
        span = document.createElement('span');
        words.push(span);
        element.append(index > 0 ? ' ' : '', span);
      }
      if (span.textContent !== word.text) span.textContent = word.text;
      span.className = !utterance.isFinal && index >= utterance.stableWords ? 'word tentative' : 'word';
      if (word.confidence === undefined) return;
      span.dataset['percent'] = String(Math.round(word.confidence * 100));
      span.dataset['band'] = confidenceBand(word.confidence);
      this.#setTooltip(span);
    });
    for (const span of words.splice(utterance.words.length)) {
      span.previousSibling?.remove();
      span.remove();
    }
  }

  #setTooltip(word: HTMLElement): void {
    const percent = word.dataset['percent'];
    if (this.#showsConfidence && percent !== undefined) word.title = `Confidence ${percent} %`;
    else word.removeAttribute('title');
  }
}
