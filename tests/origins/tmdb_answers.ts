import type { Caller, TmdbAccounts } from "./tmdb_accounts.ts";
import type { Json } from "./tmdb_records.ts";

/** One request to the API, taken apart. */
export interface ApiRequest {
  readonly method: string;
  /** Path segments after the version. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
  readonly caller: Caller;
  readonly accounts: TmdbAccounts;
  readonly body: Uint8Array;
}

/** What the API answers, before it is put into bytes. */
export interface ApiAnswer {
  readonly status: number;
  readonly body: Json;
  /** Further fields. */
  readonly fields?: ReadonlyArray<readonly [name: string, value: string]>;
}

/** Status and message of TMDB's own codes that this origin uses. */
const MESSAGES: Readonly<Record<number, readonly [status: number, message: string]>> = {
  1: [200, "Success."],
  3: [401, "Authentication failed: You do not have permissions to access the service."],
  5: [422, "Invalid parameters: Your request parameters are incorrect."],
  6: [404, "Invalid id: The pre-requisite id is invalid or not found."],
  7: [401, "Invalid API key: You must be granted a valid key."],
  10: [401, "Suspended API key: Access to your account has been suspended, contact TMDB."],
  12: [201, "The item/record was updated successfully."],
  13: [200, "The item/record was deleted successfully."],
  18: [400, "Validation failed."],
  22: [400, "Invalid page: Pages start at 1 and max at 500. They are expected to be an integer."],
  25: [429, "Your request count (41) is over the allowed limit of 40."],
  27: [400, "Too many append to response objects: The maximum number of remote calls is 20."],
  33: [401, "Invalid request token: The request token is either expired or invalid."],
  34: [404, "The resource you requested could not be found."],
  42: [405, "This request method is not supported for this resource."],
};

/** A good answer. */
export function good(body: Json): ApiAnswer {
  return { status: 200, body };
}

/** An answer by TMDB's code: errors, and the writes that have one (1, 12, 13). */
export function coded(code: number, fields: ApiAnswer["fields"] = []): ApiAnswer {
  const [status, message] = MESSAGES[code] ?? [500, "Internal error: Something went wrong, contact TMDB."];
  return { status, body: { success: status < 300, status_code: code, status_message: message }, fields };
}

/** A page of a list: 20 a page, pages 1 to 500. */
export function paged(items: readonly Json[], query: URLSearchParams): ApiAnswer {
  const page = Number(query.get("page") || "1");
  if (!Number.isInteger(page) || page < 1 || page > 500) return coded(22);
  return good({
    page,
    results: items.slice((page - 1) * 20, page * 20),
    total_pages: Math.max(1, Math.ceil(items.length / 20)),
    total_results: items.length,
  });
}
