const POLL_MS = 10;

/** Waits until a condition holds. @throws {Error} when it does not in time */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  timeoutMs = 120_000,
): Promise<void> {
  const untilMs = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > untilMs) throw new Error(`Waited ${timeoutMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** A test that also fails when it leaves a socket behind; Deno does not look by itself. */
export function leakless(name: string, fn: () => Promise<void>): Deno.TestDefinition {
  return { name, fn, sanitizeResources: true };
}
