import type { Exchange } from "../request/exchange.ts";
import { refuseLoop } from "./chain.ts";
import { refuseOffline } from "./offline.ts";
import { refuseUpgrade } from "./refuse.ts";

/**
 * Refuses to take a request to any upstream: it has been here before, wants another protocol, or the listener is offline.
 *
 * @throws {GatewayError} `loop_detected`, `upgrade_not_supported` or `no_healthy_upstream`
 */
export function refuseForwarding(exchange: Exchange): void {
  refuseLoop(exchange);
  refuseUpgrade(exchange);
  refuseOffline(exchange);
}
