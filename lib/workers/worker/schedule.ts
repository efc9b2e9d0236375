/** A timer in the form that rooms with injected timers want: the answer takes the call back. */
export function schedule(call: () => void, delayMs: number): () => void {
  const timer = setTimeout(call, delayMs);
  return () => clearTimeout(timer);
}
