import { type ApiAnswer, type ApiRequest, coded, good, paged } from "./tmdb_answers.ts";
import { findTitle, ownerOf, type Title, titleSummary } from "./tmdb_records.ts";

/** Answers what belongs to a user or changes something; `null` for paths of the catalog. */
export function answerAccount(request: ApiRequest, version: string): ApiAnswer | null {
  const [first, second, third] = request.segments;
  if (version === "4") return answerVersion4(request);
  if (first === "authentication") return authentication(request);
  if (first === "account") return account(request);
  if (first === "guest_session") return rated(request, second ?? "", third === "rated");
  if (first === "list") return list(request);
  if (first !== "movie" && first !== "tv") return null;
  if (third === "rating") return rating(request);
  return third === "account_states" && request.caller.user === null ? coded(3) : null;
}

function authentication(request: ApiRequest): ApiAnswer {
  const { accounts, method } = request;
  switch (`${method} ${request.segments.slice(1).join("/")}`) {
    case "GET ":
      return coded(1);
    case "GET token/new":
      return good({ success: true, expires_at: "2030-01-01 00:00:00 UTC", request_token: accounts.make("token") });
    case "GET guest_session/new":
      return good({ success: true, guest_session_id: accounts.make("guest"), expires_at: "2030-01-01 00:00:00 UTC" });
    // Some clients make it with a GET.
    case "GET session/new":
    case "POST session/new":
    case "POST session/convert/4":
      return good({ success: true, session_id: accounts.make("session") });
    case "POST token/validate_with_login":
      return good({ success: true, request_token: accounts.make("token") });
    case "DELETE session":
      return accounts.endSession(String(bodyOf(request).session_id)) ? good({ success: true }) : coded(6);
    default:
      return coded(34);
  }
}

/** The JSON object in a request's body; empty where it is none. */
export function bodyOf(request: Pick<ApiRequest, "body">): Record<string, unknown> {
  try {
    const body = JSON.parse(new TextDecoder().decode(request.body));
    return typeof body === "object" && body !== null ? body : {};
  } catch {
    return {};
  }
}

function titleAt(request: ApiRequest): Title | null {
  const [kind, id] = request.segments;
  return findTitle(kind === "tv" ? "tv" : "movie", Number(id));
}

function rating(request: ApiRequest): ApiAnswer {
  const { accounts, caller, method } = request;
  const title = titleAt(request);
  if (title === null) return coded(34);
  if (caller.user === null) return coded(3);
  if (method === "DELETE") return accounts.unrate(caller.user, ownerOf(title)) ? coded(13) : coded(34);
  if (method !== "POST") return coded(42);
  const value = bodyOf(request).value;
  if (typeof value !== "number" || value < 0.5 || value > 10) return coded(18);
  const made = accounts.rate(caller.user, ownerOf(title), value) === "new";
  return made ? { ...coded(1), status: 201 } : coded(12);
}

function account(request: ApiRequest): ApiAnswer {
  const [, , list] = request.segments;
  const user = request.caller.user;
  if (user === null) return coded(3);
  if (list === undefined) return good({ id: user.length, iso_639_1: "en", name: "", username: user });
  if (list === "rated") return rated(request, user, true);
  if (request.method === "POST") return coded(1);
  return paged([], request.query);
}

function rated(request: ApiRequest, user: string, known: boolean): ApiAnswer {
  if (!known) return coded(34);
  const titles = request.accounts.rated(user).map((owner) => {
    const [kind, id] = owner.split("/");
    return findTitle(kind === "tv" ? "tv" : "movie", Number(id))!;
  });
  return paged(titles.map((title) => titleSummary(title, "en-US")), request.query);
}

function list(request: ApiRequest): ApiAnswer {
  const [, id, part] = request.segments;
  if (part === "item_status") return good({ id, item_present: false, of: request.caller.user });
  if (request.method === "GET" || request.method === "HEAD") {
    return good({ id, item_count: 0, items: [], name: "A list" });
  }
  if (request.caller.user === null) return coded(3);
  return request.method === "DELETE" ? coded(13) : coded(12);
}

function answerVersion4(request: ApiRequest): ApiAnswer | null {
  const [first, , ...rest] = request.segments;
  if (first === "auth") return good({ success: true, request_token: request.accounts.make("token") });
  if (first === "list") return list(request);
  if (first !== "account") return coded(34);
  if (request.caller.user === null) return coded(3);
  return rest.at(-1) === "rated" ? rated(request, request.caller.user, true) : paged([], request.query);
}
