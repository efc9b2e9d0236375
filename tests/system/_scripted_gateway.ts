import { type ScriptedHandler, type ScriptedOrigin, startScriptedOrigin } from "../origins/scripted_origin.ts";
import { type GatewayPlaces, type RunningGateway, startGateway } from "./_gateway.ts";
import { customPool, type TestConfig, testConfig } from "./test_config.ts";

/** A gateway in front of an origin that a test scripts. */
export interface ScriptedGateway {
  readonly origin: ScriptedOrigin;
  readonly gateway: RunningGateway;
}

/** Starts both; `stack` ends them. Unless `config` says otherwise one listener takes everything to a pool of a general type. */
export async function startScriptedGateway(
  stack: AsyncDisposableStack,
  handler: ScriptedHandler,
  config: (origin: string, places: GatewayPlaces) => Partial<TestConfig> = () => ({}),
): Promise<ScriptedGateway> {
  const origin = stack.adopt(await startScriptedOrigin(handler), (running) => running.close());
  const gateway = stack.adopt(
    await startGateway({
      config: (places) =>
        testConfig(places, {
          pools: { any: customPool([origin.url]) },
          listeners: [{ name: "any", prefix: "/", pool: "any" }],
          ...config(origin.url, places),
        }),
    }),
    (running) => running.close(),
  );
  return { origin, gateway };
}
