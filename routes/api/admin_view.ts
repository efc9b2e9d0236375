import type { Supervisor } from "../../lib/workers/supervisor/supervisor.ts";

/** The part of the supervisor that the admin surface shows and calls. */
export type AdminView = Omit<
  Supervisor,
  "startedAtMs" | "adminUrl" | "lost" | "setChallenges" | "start" | "departure" | "stop"
>;
