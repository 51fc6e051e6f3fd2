import type { LaneStats } from '../../client/browser.ts';
import { element } from './dom.ts';

const milliseconds = (ms: number): string => `${ms > 0 && ms < 10 ? ms.toFixed(1) : String(Math.round(ms))} ms`;
const unlessUnknown = (value: number | undefined, format: (value: number) => string): string => (value === undefined ? '–' : format(value));
const signed = (ppm: number): string => `${ppm > 0 ? '+' : ''}${ppm.toFixed(0)} ppm`;

const ROWS: Readonly<Record<string, (stats: LaneStats) => string>> = {
  packets: ({ packetsReceived }) => packetsReceived.toLocaleString('en'),
  lost: ({ packetsLost }) => String(packetsLost),
  late: ({ packetsLate }) => String(packetsLate),
  fec: ({ recoveredByFec }) => String(recoveredByFec),
  red: ({ recoveredByRed }) => String(recoveredByRed),
  resent: ({ recoveredByRetransmission }) => String(recoveredByRetransmission),
  concealed: ({ concealedMs }) => milliseconds(concealedMs),
  jitter: ({ jitterMs }) => milliseconds(jitterMs),
  target: ({ targetDelayMs }) => milliseconds(targetDelayMs),
  drift: ({ driftPpm }) => unlessUnknown(driftPpm, signed),
  'round-trip': ({ roundTripMs }) => unlessUnknown(roundTripMs, milliseconds),
};

/** What the server counted of the lane, for who wants to know; not there while it counts none. */
export class LaneReadout {
  readonly #details = element('lane', HTMLDetailsElement);
  readonly #rows = Object.entries(ROWS).map(([name, format]) => ({ target: element(`lane-${name}`, HTMLElement), format }));

  show(stats: LaneStats | undefined): void {
    this.#details.hidden = stats === undefined;
    if (stats) for (const { target, format } of this.#rows) target.textContent = format(stats);
  }
}
