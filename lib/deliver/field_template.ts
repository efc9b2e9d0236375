import { ORIGIN_TAG } from "../cache/origin_tag.ts";
import type { StoredResponse } from "../cache/stored_response.ts";
import type { Tenant } from "../request/snapshot.ts";
import { type Field, fieldValue } from "../http/fields.ts";
import { sentFields } from "./sent_fields.ts";

/** A stored response's fields in the form that a response takes most cheaply: one object with a place for those of each request. */
export interface FieldTemplate {
  readonly tenant: Tenant;
  /** `null` where a name repeats, which an object cannot say. */
  readonly fields: Record<string, string> | null;
  /** The same with a place for the page's origin, where that is named. */
  readonly originFields: Record<string, string> | null;
  /** Members of caches nearer to the origin, with a comma behind; empty where there are none (RFC 9211 §2). */
  readonly cacheStatusBefore: string;
}

const templates = new WeakMap<StoredResponse, FieldTemplate>();

/** What changes from one request to the next. */
export interface RequestValues {
  readonly ageSeconds: number;
  readonly cacheStatus: string;
  readonly requestId: string;
  /** The page that may read it, where the listener names those that may; `null` else. */
  readonly origin: string | null;
}

/**
 * All fields to send with a whole stored response; `null` where they need a list. The object is the same each time: it has to be
 * used before the next call, which a response's constructor does.
 */
export function templateFields(
  stored: StoredResponse,
  tenant: Tenant,
  values: RequestValues,
): Record<string, string> | null {
  let template = templates.get(stored);
  if (template?.tenant !== tenant) {
    template = templateOf(stored, tenant);
    templates.set(stored, template);
  }
  const { cacheStatusBefore } = template;
  const fields = values.origin === null ? template.fields : template.originFields;
  if (fields === null) return null;
  if (values.origin !== null) fields[ALLOW_ORIGIN] = values.origin;
  fields["age"] = String(values.ageSeconds);
  fields["cache-status"] = cacheStatusBefore + values.cacheStatus;
  fields["x-request-id"] = values.requestId;
  return fields;
}

/** Behind another cache a response has a `Cache-Status` of its own, to which the object's one line is added. */
function templateOf(stored: StoredResponse, tenant: Tenant): FieldTemplate {
  const before = fieldValue(stored.fields, "cache-status");
  const others = stored.fields.filter(([name]) => name !== "cache-status" && name !== ORIGIN_TAG);
  const all = [...sentFields(tenant, others), ...OWN, ...tenant.responseFields];
  return {
    tenant,
    fields: objectOf(all),
    originFields: tenant.cors?.isByOrigin === true ? objectOf([...all, [ALLOW_ORIGIN, ""]]) : null,
    cacheStatusBefore: before === null ? "" : `${before}, `,
  };
}

const ALLOW_ORIGIN = "access-control-allow-origin";

const OWN: readonly Field[] = [["age", ""], ["cache-status", ""], ["x-request-id", ""]];

function objectOf(fields: readonly Field[]): Record<string, string> | null {
  const object: Record<string, string> = {};
  for (const [name, value] of fields) {
    if (name in object) return null;
    object[name] = value;
  }
  return object;
}
