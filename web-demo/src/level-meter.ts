/** What the meter shows as empty, in dB below full scale. */
const FLOOR_DB = -60;
/** A peak from here on is clipped or about to be. */
const CLIPPING_PEAK = 0.98;
/** The bar falls by so much of its width with each of the 30 levels a second, and rises at once. */
const FALL = 0.06;
/** As many as styles/dock.css draws; a cell is lit or not. */
const CELLS = 24;
const SPOKEN_EVERY_LEVELS = 30;

/** Draws the microphone's level, and says it about once a second to whoever asks by screen reader. */
export class LevelMeter {
  readonly #element: HTMLElement;
  #shown = 0;
  #levels = 0;

  constructor(element: HTMLElement) {
    this.#element = element;
    this.reset();
  }

  /** Both as parts of full scale. */
  show(rms: number, peak: number): void {
    const db = Math.max(FLOOR_DB, 20 * Math.log10(Math.max(rms, 1e-6)));
    this.#shown = Math.max((db - FLOOR_DB) / -FLOOR_DB, this.#shown - FALL, 0);
    this.#element.style.setProperty('--level', String(Math.round(this.#shown * CELLS) / CELLS));
    this.#element.classList.toggle('clipping', peak >= CLIPPING_PEAK);
    if (this.#levels % SPOKEN_EVERY_LEVELS === 0) this.#say(Math.round(db));
    this.#levels += 1;
  }

  reset(): void {
    this.#shown = 0;
    this.#levels = 0;
    this.#element.style.setProperty('--level', '0');
    this.#element.classList.remove('clipping');
    this.#say(FLOOR_DB);
  }

  #say(db: number): void {
    this.#element.setAttribute('aria-valuenow', String(db));
    this.#element.setAttribute('aria-valuetext', db === FLOOR_DB ? 'silent' : `${db} decibels`);
  }
}
