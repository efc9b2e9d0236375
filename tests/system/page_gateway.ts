import { type RunningGateway, startGateway } from "./_gateway.ts";
import { testConfig } from "./test_config.ts";

export type { RunningGateway } from "./_gateway.ts";

/** The operator's tokens of {@linkcode startPageGateway}. */
export const PAGE_TOKENS = {
  operate: "token-of-the-operator",
  read: "token-of-a-reader",
  metrics: "token-of-a-collector",
} as const;

/** Starts a gateway as a process, with tokens and a pool of two upstreams, for the page. */
export function startPageGateway(upstreams: readonly string[]): Promise<RunningGateway> {
  return startGateway({
    config: (places) =>
      testConfig(places, {
        logging: { access: "off" },
        admin: {
          token: PAGE_TOKENS.operate,
          tokens: (["read", "metrics"] as const).map((role) => ({ name: role, token: PAGE_TOKENS[role], role })),
        },
        pools: { films: { type: "custom", strategy: "round-robin", health: false, upstreams } },
        listeners: [{ name: "films", prefix: "/films", pool: "films", cache: { mode: "rfc9111" } }],
      }),
  });
}
