import { demoConfig } from "../origins/demo_config.ts";
import { type RunningGateway, startGateway } from "./_gateway.ts";

export { eventually } from "../eventually.ts";
export type { RunningGateway } from "./_gateway.ts";

/** Starts a gateway with the demo's configuration over an origin. */
export function startDemoGateway(originUrl: string): Promise<RunningGateway> {
  return startGateway({ config: (places) => demoConfig(originUrl, places) });
}
