import type { StoredResponse } from "../cache/stored_response.ts";
import type { Fields } from "../http/fields.ts";
import type { CacheNote } from "../request/cache_note.ts";
import type { Exchange } from "../request/exchange.ts";
import type { ResponseChange } from "../request/ruling.ts";
import type { Tenant } from "../request/snapshot.ts";
import { fieldLines, writeLatin1 } from "../wire/head_writer.ts";
import { ruledFields } from "./ruled_answer.ts";
import { sentFields } from "./sent_fields.ts";

/** The field lines of a stored response that are the same for every request of one listener, ready to be written. */
export interface FixedLines {
  readonly tenant: Tenant;
  /** What rules change in them; `null` for nothing. */
  readonly change: ResponseChange | null;
  /** What the client puts before paths and calls the gateway, where fields lead back to it; else empty. */
  readonly ledTo: string;
  readonly bytes: Uint8Array;
  readonly hasDate: boolean;
}

const known = new WeakMap<StoredResponse, FixedLines>();

/** The fixed lines of a stored response, worked out once for each listener that serves it and what its rules say of the request. */
export function fixedLines(stored: StoredResponse, exchange: Exchange, note: CacheNote): FixedLines {
  const { tenant } = exchange;
  const change = exchange.ruling === null ? null : exchange.ruling.response;
  const ledTo = tenant.wayBack === null ? "" : `${exchange.keyPrefix} ${exchange.authority}`;
  const before = known.get(stored);
  if (before !== undefined && before.tenant === tenant && before.change === change && before.ledTo === ledTo) {
    return before;
  }
  const given = stored.fields.filter(([name]) => name !== "content-length");
  const fields = sentFields(exchange, ruledFields(exchange, given, note));
  const hasDate = fields.some(([name]) => name === "date");
  const isAsStored = fields === given && tenant.responseFields.length === 0;
  const made = { tenant, change, ledTo, bytes: isAsStored ? stored.head : encoded(fields, tenant), hasDate };
  known.set(stored, made);
  return made;
}

function encoded(fields: Fields, tenant: Tenant): Uint8Array {
  const text = fieldLines(fields) + fieldLines(tenant.responseFields);
  const bytes = new Uint8Array(text.length);
  writeLatin1(text, bytes, 0);
  return bytes;
}
