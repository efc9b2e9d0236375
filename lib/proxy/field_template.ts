import type { StoredResponse } from "../cache/stored_response.ts";
import type { Field } from "../http/fields.ts";
import type { Tenant } from "./snapshot.ts";

/** A stored response's fields in the form that a response takes most cheaply: one object with a place for those of each request. */
export interface FieldTemplate {
  readonly tenant: Tenant;
  /** `null` where a name repeats, which an object cannot say. */
  readonly fields: Record<string, string> | null;
}

const templates = new WeakMap<StoredResponse, FieldTemplate>();

/** What changes from one request to the next. */
export interface RequestValues {
  readonly ageSeconds: number;
  readonly cacheStatus: string;
  readonly requestId: string;
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
    template = { tenant, fields: objectOf([...stored.fields, ...OWN, ...tenant.responseFields]) };
    templates.set(stored, template);
  }
  const { fields } = template;
  if (fields === null) return null;
  fields["age"] = String(values.ageSeconds);
  fields["cache-status"] = values.cacheStatus;
  fields["x-request-id"] = values.requestId;
  return fields;
}

const OWN: readonly Field[] = [["age", ""], ["cache-status", ""], ["x-request-id", ""]];

function objectOf(fields: readonly Field[]): Record<string, string> | null {
  const object: Record<string, string> = {};
  for (const [name, value] of fields) {
    if (name in object) return null;
    object[name] = value;
  }
  return object;
}
