import type { ServerLimitsConfig } from "../config/server.ts";
import type { ServerLimits } from "../server/server_limits.ts";

/** Connections that `auto` gives at least: with fewer a gateway is of no use, and its health could not be asked for. */
const MIN_CONNECTIONS = 16;

/**
 * The limits of the server, of their section in the configuration.
 *
 * @param descriptors how many the process may have; only `max_connections: auto` goes by it
 */
export function compileServerLimits(config: ServerLimitsConfig, descriptors: number): ServerLimits {
  const { maxConnections, reserveDescriptors, ...limits } = config;
  return Object.freeze({
    ...limits,
    maxConnections: maxConnections === "auto"
      ? Math.max(MIN_CONNECTIONS, descriptors - reserveDescriptors)
      : maxConnections,
  });
}
