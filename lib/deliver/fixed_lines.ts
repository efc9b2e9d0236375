import type { StoredResponse } from "../cache/stored_response.ts";
import type { Fields } from "../http/fields.ts";
import type { Tenant } from "../request/snapshot.ts";
import { fieldLines, writeLatin1 } from "../wire/head_writer.ts";
import { sentFields } from "./sent_fields.ts";

/** The field lines of a stored response that are the same for every request of one listener, ready to be written. */
export interface FixedLines {
  readonly tenant: Tenant;
  readonly bytes: Uint8Array;
  readonly hasDate: boolean;
}

const known = new WeakMap<StoredResponse, FixedLines>();

/** The fixed lines of a stored response, worked out once for each listener that serves it. */
export function fixedLines(stored: StoredResponse, tenant: Tenant): FixedLines {
  const before = known.get(stored);
  if (before !== undefined && before.tenant === tenant) return before;
  const given = stored.fields.filter(([name]) => name !== "content-length");
  const fields = sentFields(tenant, given);
  const hasDate = fields.some(([name]) => name === "date");
  const isAsStored = fields === given && tenant.responseFields.length === 0;
  const made = { tenant, bytes: isAsStored ? stored.head : encoded(fields, tenant), hasDate };
  known.set(stored, made);
  return made;
}

function encoded(fields: Fields, tenant: Tenant): Uint8Array {
  const text = fieldLines(fields) + fieldLines(tenant.responseFields);
  const bytes = new Uint8Array(text.length);
  writeLatin1(text, bytes, 0);
  return bytes;
}
