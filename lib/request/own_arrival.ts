import { type Fields, fieldValue } from "../http/fields.ts";
import type { Arrival } from "../server/arrival.ts";

/** A request that the gateway makes itself. */
export interface OwnRequest {
  readonly method: string;
  /** In origin-form or absolute-form. */
  readonly target: string;
  /** With `host`. */
  readonly fields: Readonly<Fields>;
  /** Ends the request. */
  readonly signal?: AbortSignal;
}

/** A request of the gateway as the pipeline takes it: from this machine, without content. */
export function ownArrival({ method, target, fields, signal = NEVER }: OwnRequest): Arrival {
  return {
    method,
    target,
    minor: 1,
    fields: { header: (name) => fieldValue(fields, name), list: () => fields },
    body: null,
    connection: { peer: "127.0.0.1", scheme: "http" },
    signal,
    get isGone() {
      return signal.aborted;
    },
    interim: () => {},
  };
}

const NEVER = new AbortController().signal;
