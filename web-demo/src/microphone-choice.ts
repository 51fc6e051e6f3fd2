import { listMicrophones } from '../../client/browser.ts';

/** Fills the list of microphones and keeps it right when devices come and go. An empty value is the system's choice. */
export class MicrophoneChoice {
  readonly #select: HTMLSelectElement;

  constructor(select: HTMLSelectElement) {
    this.#select = select;
    void this.refresh();
    if ('mediaDevices' in navigator) navigator.mediaDevices.addEventListener('devicechange', () => void this.refresh());
  }

  get deviceId(): string {
    return this.#select.value;
  }

  async refresh(): Promise<void> {
    const chosen = this.#select.value;
    const devices = await listMicrophones();
    // The browser's own entry for the system's choice stands at the top already.
    const named = devices.filter((device) => device.deviceId !== 'default');
    this.#select.replaceChildren(
      new Option('Default microphone', ''),
      ...named.map((device) => new Option(device.label, device.deviceId)),
    );
    this.#select.value = named.some((device) => device.deviceId === chosen) ? chosen : '';
  }
}
