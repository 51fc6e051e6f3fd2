import type { CaptionsStatus } from './captions-events.ts';
import { element } from './dom.ts';
import { LaneReadout } from './lane-readout.ts';
import type { Transport, LiveStats } from '../../client/browser.ts';

const NAMES: Readonly<Record<Transport, string>> = { webrtc: 'WebRTC', websocket: 'WebSocket' };

/** The connection in words, and the figures under the captions. */
export class Readouts {
  readonly #connection = element('connection', HTMLElement);
  readonly #connectionText = element('connection-text', HTMLElement);
  readonly #captionDelay = element('caption-delay', HTMLElement);
  readonly #roundTrip = element('round-trip', HTMLElement);
  readonly #packetsLost = element('packets-lost', HTMLElement);
  readonly #sendQueue = element('send-queue', HTMLElement);
  readonly #lane = new LaneReadout();

  showStatus(status: CaptionsStatus): void {
    this.#connection.dataset['phase'] = status.phase;
    this.#connectionText.textContent = sentence(status);
    if (status.phase === 'connecting') this.#reset();
  }

  showCaptionDelay(delayMs: number): void {
    this.#captionDelay.textContent = `${(delayMs / 1000).toFixed(1)} s`;
  }

  showStats(stats: LiveStats): void {
    show(this.#roundTrip, stats.roundTripMs, (ms) => `${Math.round(ms)} ms`);
    show(this.#packetsLost, stats.packetsLost, String);
    this.#lane.show(stats.lane);
    show(this.#sendQueue, stats.queuedMs, (ms) => `${(ms / 1000).toFixed(1)} s`);
  }

  #reset(): void {
    this.#captionDelay.textContent = '–';
    this.showStats({});
  }
}

function sentence(status: CaptionsStatus): string {
  switch (status.phase) {
    case 'idle':
      return 'Not connected';
    case 'opening-microphone':
      return 'Waiting for the microphone';
    case 'connecting':
      return `${NAMES[status.transport]} · connecting`;
    case 'live':
      return `${NAMES[status.transport]} · connected`;
    case 'reconnecting':
      return 'Reconnecting';
    case 'stopping':
      return `${NAMES[status.transport]} · finishing`;
  }
}

/** A figure that this transport does not have is not shown at all. */
function show(target: HTMLElement, value: number | undefined, format: (value: number) => string): void {
  const row = target.closest<HTMLElement>('.readout');
  if (row) row.hidden = value === undefined;
  if (value !== undefined) target.textContent = format(value);
}
