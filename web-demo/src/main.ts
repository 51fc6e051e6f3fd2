import './style.css';
import type { TransportChoice } from './captions-events.ts';
import { element } from './dom.ts';
import { FilePanel } from './file-panel.ts';
import { LivePanel } from './live-panel.ts';
import { Messages } from './messages.ts';

/** `?transport=websocket` or `?transport=webrtc` uses that one alone. */
function transportChoice(): TransportChoice {
  const choice = new URLSearchParams(location.search).get('transport');
  return choice === 'webrtc' || choice === 'websocket' ? choice : 'auto';
}

const messages = new Messages();
const panels = [new LivePanel(transportChoice(), messages), new FilePanel(messages)];

const confidence = element('confidence', HTMLInputElement);
const legend = element('legend', HTMLElement);
const showConfidence = (): void => {
  legend.hidden = !confidence.checked;
  for (const panel of panels) panel.showConfidence(confidence.checked);
};
confidence.addEventListener('change', showConfidence);
// Browsers keep the switch over a reload.
showConfidence();
