import { privatePair } from "./private_pair.ts";

const PULSE = new Uint8Array(1);
/** Where there is no pair of sockets: timers come after a look at the sockets too, but late. */
const FALLBACK_MS = 0;

/**
 * A function that calls back once the event loop has looked at all sockets. It sends a byte through a pair of sockets of its own, which
 * stays open as long as the thread lives; without one it is a timer.
 */
export async function openPulse(): Promise<(next: () => void) => void> {
  const pair = await privatePair().catch(() => null);
  let called: (() => void)[] = [];
  const call = () => {
    const nexts = called;
    called = [];
    for (const next of nexts) next();
  };
  const byTimer = (next: () => void) => void setTimeout(next, FALLBACK_MS);
  if (pair === null) return byTimer;
  const [near, far] = pair;
  let isOpen = true;
  const lose = () => {
    isOpen = false;
    setTimeout(call, FALLBACK_MS);
  };
  const listen = async () => {
    const bytes = new Uint8Array(16);
    while (await far.read(bytes) !== null) call();
    lose();
  };
  listen().catch(lose);
  // It keeps no thread alive that has nothing else to do.
  far.unref();
  return (next) => {
    if (!isOpen) return byTimer(next);
    called.push(next);
    near.write(PULSE).catch(lose);
  };
}
