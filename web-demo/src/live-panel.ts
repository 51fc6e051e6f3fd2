import { CaptionView } from './caption-view.ts';
import { CaptionsClient } from './captions-client.ts';
import type { CaptionsStatus, TransportChoice } from './captions-events.ts';
import { element } from './dom.ts';
import { LevelMeter } from './level-meter.ts';
import type { Messages } from './messages.ts';
import { MicrophoneChoice } from './microphone-choice.ts';
import { Readouts } from './readouts.ts';
import { bindTranscriptActions } from './transcript-actions.ts';
import { Transcript } from './transcript.ts';

const STATS_EVERY_MS = 2000;
const fallbackNote = (wasConnected: boolean): string =>
  `${wasConnected ? 'WebRTC lost its connection' : 'WebRTC could not connect'}; using WebSocket. Nothing you said is lost.`;

/** The microphone's side of the page. */
export class LivePanel {
  readonly #messages: Messages;
  readonly #transcript = new Transcript();
  readonly #view: CaptionView;
  readonly #client: CaptionsClient;
  readonly #button = element('start', HTMLButtonElement);
  readonly #buttonText = element('start-text', HTMLElement);
  readonly #hint = element('hint', HTMLElement);
  readonly #meter = new LevelMeter(element('level', HTMLElement));
  readonly #readouts = new Readouts();
  readonly #microphones: MicrophoneChoice;
  /** Where this capture's time begins in the transcript, which goes on over several. */
  #captureSeconds = 0;
  #statsTimer: ReturnType<typeof setInterval> | undefined;

  constructor(choice: TransportChoice, messages: Messages) {
    this.#messages = messages;
    this.#view = new CaptionView(element('captions', HTMLElement), element('captions-jump', HTMLButtonElement), this.#transcript);
    bindTranscriptActions(element('live-actions', HTMLElement), this.#transcript, messages.announce);
    this.#client = new CaptionsClient(choice, {
      status: (status) => this.#showStatus(status),
      streamStarted: (offsetSeconds) => this.#transcript.beginStream(this.#captureSeconds + offsetSeconds),
      delta: (delta) => this.#transcript.apply(delta),
      captionDelay: (delayMs) => this.#readouts.showCaptionDelay(delayMs),
      level: (rms, peak) => this.#meter.show(rms, peak),
      fellBack: (wasConnected) => messages.note(fallbackNote(wasConnected)),
      problem: (problem) => messages.showProblem(problem, () => this.#start()),
    });
    const select = element('microphone', HTMLSelectElement);
    this.#microphones = new MicrophoneChoice(select);
    select.addEventListener('change', () => void this.#client.useMicrophone(select.value));
    this.#button.addEventListener('click', () => this.#toggle());
    this.#transcript.onChange(() => this.#showHint());
    addEventListener('pagehide', () => this.#client.abandon());
  }

  showConfidence(shown: boolean): void {
    this.#view.showConfidence(shown);
  }

  #toggle(): void {
    if (this.#button.getAttribute('aria-disabled') === 'true') return;
    if (this.#client.isRunning) void this.#client.stop();
    else this.#start();
  }

  #start(): void {
    this.#messages.clearProblem();
    this.#messages.note('');
    this.#captureSeconds = this.#transcript.endSeconds;
    void this.#client.start(this.#microphones.deviceId);
  }

  #showStatus(status: CaptionsStatus): void {
    this.#readouts.showStatus(status);
    const isRunning = status.phase !== 'idle';
    this.#buttonText.textContent = isRunning ? 'Stop captions' : 'Start captions';
    this.#button.classList.toggle('running', isRunning);
    // Not `disabled`, which would throw the keyboard's focus away.
    this.#button.setAttribute('aria-disabled', String(status.phase === 'stopping'));
    document.body.dataset['phase'] = status.phase;
    this.#showHint();
    clearInterval(this.#statsTimer);
    if (status.phase === 'idle') this.#meter.reset();
    if (status.phase === 'connecting') void this.#microphones.refresh();
    if (status.phase !== 'live') return;
    // WebRTC is back, or was there from the start.
    if (status.transport === 'webrtc') this.#messages.note('');
    const showStats = (): void => void this.#client.stats().then((stats) => this.#readouts.showStats(stats));
    showStats();
    this.#statsTimer = setInterval(showStats, STATS_EVERY_MS);
  }

  #showHint(): void {
    const isEmpty = element('captions', HTMLElement).childElementCount === 0;
    this.#hint.hidden = !isEmpty;
  }
}
