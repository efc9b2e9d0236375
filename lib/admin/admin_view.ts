import type { Supervisor } from "../workers/supervisor/supervisor.ts";

/** The supervisor as the admin surface sees it: what it shows and does, without its own life. */
export type AdminView = Omit<
  Supervisor,
  "startedAtMs" | "config" | "adminUrl" | "lost" | "setChallenges" | "start" | "stop"
>;
