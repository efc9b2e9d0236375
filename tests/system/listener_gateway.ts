import { type RunningGateway, startGateway } from "./_gateway.ts";
import { customPool, testConfig } from "./test_config.ts";

/** A gateway process with one listener on everything, in front of one upstream; `cache` is the listener's own `cache:`. */
export function startListenerGateway(
  upstream: string,
  cache: Readonly<Record<string, unknown>>,
): Promise<RunningGateway> {
  return startGateway({
    config: (places) =>
      testConfig(places, {
        logging: { access: "errors" },
        pools: { only: customPool([upstream]) },
        listeners: [{ name: "only", pool: "only", cache }],
      }),
  });
}
