import { KV_TARGETS } from "../cache/disk/kv_fuzz_targets.ts";
import { RECORD_TARGET } from "../cache/record_fuzz_target.ts";
import { FIELD_TARGETS } from "./field_targets.ts";
import type { FuzzTarget } from "./fuzz_target.ts";
import { GATEWAY_TARGETS } from "./gateway_targets.ts";
import { WIRE_TARGETS } from "./wire_targets.ts";

/** All that reads text from outside. */
export const FUZZ_TARGETS: readonly FuzzTarget[] = [
  ...WIRE_TARGETS,
  ...FIELD_TARGETS,
  ...GATEWAY_TARGETS,
  RECORD_TARGET,
  ...KV_TARGETS,
];
