import { type RunningGateway, startGateway } from "./_gateway.ts";
import { PATIENT, type TestConfig, testConfig } from "./test_config.ts";

export type { RunningGateway } from "./_gateway.ts";

/** Starts a gateway as a process, quiet, with one listener on everything over one pool, `p`. */
export function startPoolGateway(
  pool: Readonly<Record<string, unknown>>,
  more: Partial<Pick<TestConfig, "server" | "cache" | "logging">> & {
    readonly listener?: Readonly<Record<string, unknown>>;
  } = {},
): Promise<RunningGateway> {
  const { listener, ...parts } = more;
  return startGateway({
    config: (places) =>
      testConfig(places, {
        logging: { access: "off" },
        ...parts,
        pools: { p: { type: "custom", ...pool, timeouts: { ...PATIENT, ...pool["timeouts"] as typeof PATIENT } } },
        listeners: [{ name: "l", prefix: "/", pool: "p", ...listener }],
      }),
  });
}
