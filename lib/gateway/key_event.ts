import type { Logger } from "../logging/logger.ts";
import type { KeyEvent } from "../upstream_type/upstream_type.ts";

const MESSAGES: Readonly<Record<KeyEvent["event"], string>> = {
  limited: "An upstream limits an API key (429): it rests",
  refused: "An upstream refuses an API key (401): it is out",
  recovered: "An upstream takes an API key again",
};

/** Tells the log what happened to a key, by its place. Of all workers the one that changed the key's state does so. */
export function logKeyEvent(logger: Logger, pool: string, { key, event, untilMs }: KeyEvent): void {
  if (event === "recovered") return logger.info(MESSAGES[event], { pool, key });
  logger.warn(MESSAGES[event], { pool, key, until: new Date(untilMs).toISOString() });
}
