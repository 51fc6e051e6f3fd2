import assert from 'node:assert/strict';

/** So long may the outside world take to get there; only a test that fails waits that long. */
const PATIENCE_MS = 20_000;

/** Resolves as soon as the condition holds. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + PATIENCE_MS;
  while (!(await condition())) {
    assert.ok(performance.now() < untilMs, `never came true: ${condition.toString()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
