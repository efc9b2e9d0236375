/** The suite's origin as a process of its own; `npm_config_port` says where it listens. */
import { serveSuite } from "./suite.ts";

await serveSuite();
