import type { Flight } from "../cache/flight.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import type { FwdReason } from "../http/cache_status.ts";

/** What a leader starts from. */
export interface Lead {
  readonly flight: Flight;
  readonly fwd: FwdReason;
  /** A stored response that can be validated, or served if no upstream answers. */
  readonly stale: StoredResponse | null;
}
