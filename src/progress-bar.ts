const WIDTH = 30;

/** How far something is, on a terminal only. */
export class ProgressBar {
  readonly #visible = process.stderr.isTTY;

  /** Draws the bar; without a total, only the bytes so far. */
  show(bytes: number, totalBytes: number | undefined): void {
    if (!this.#visible) return;
    if (totalBytes === undefined) {
      process.stderr.write(`\r${(bytes / 2 ** 20).toFixed(1)} MiB`);
      return;
    }
    const share = totalBytes > 0 ? Math.min(1, bytes / totalBytes) : 1;
    const filled = Math.round(share * WIDTH);
    process.stderr.write(`\r${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ${String(Math.round(share * 100)).padStart(3)} %`);
  }

  clear(): void {
    if (this.#visible) process.stderr.write('\r\u001b[K');
  }
}
