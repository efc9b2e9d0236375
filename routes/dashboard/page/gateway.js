import { followClock } from "./shown.js";

/** Where the token is kept: as long as the tab is open, and for this tab alone. */
const TOKEN = "usher-token";
/** Without a word for so long the connection is given up: events come every two seconds. */
const SILENCE_MS = 12_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8_000;

/** The operator's token; `null` where none was given. */
export function token() {
  return sessionStorage.getItem(TOKEN);
}

/** Keeps the token, or forgets it for `null`. */
export function keepToken(value) {
  if (value === null) sessionStorage.removeItem(TOKEN);
  else sessionStorage.setItem(TOKEN, value);
}

function fields() {
  const given = token();
  return given === null ? {} : { authorization: `Bearer ${given}` };
}

/**
 * Asks the admin interface: `{ ok, status, value, detail }`, where `detail` says in words why it was refused. Status 0: it was not
 * reached.
 */
export async function ask(method, path, body) {
  const init = { method, headers: fields(), cache: "no-store" };
  if (method !== "GET" && method !== "DELETE") {
    init.body = JSON.stringify(body ?? {});
    init.headers["content-type"] = "application/json";
  }
  try {
    const response = await fetch(`/api/v1${path}`, init);
    const text = await response.text();
    const value = text === "" ? null : JSON.parse(text);
    return { ok: response.ok, status: response.status, value, detail: response.ok ? "" : whyRefused(value) };
  } catch (error) {
    return { ok: false, status: 0, value: null, detail: String(error.message ?? error) };
  }
}

function whyRefused(value) {
  const errors = (value?.errors ?? []).map((error) =>
    typeof error === "string" ? error : error.detail ?? error.message
  );
  const problems = value?.problems ?? [];
  return [value?.detail, ...errors, ...problems].filter(Boolean).join("\n");
}

/**
 * Follows what the gateway says of itself, for ever: `onEvent` gets each event, `onState` one of `live`, `lost` (it is tried again),
 * `locked` (a token is needed, or another one) and `refused`, with why. Nothing is followed while nobody looks.
 */
export function follow(onEvent, onState) {
  let stop = new AbortController();
  let isEnded = false;
  const run = async () => {
    for (let pauseMs = FIRST_PAUSE_MS; !isEnded; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      await seen();
      stop = new AbortController();
      const outcome = await read(onEvent, () => {
        pauseMs = FIRST_PAUSE_MS / 2;
        onState("live", "");
      }, stop);
      if (isEnded || outcome === "hidden") continue;
      if (outcome.state !== "ended") onState(outcome.state, outcome.detail);
      if (outcome.state === "locked" || outcome.state === "refused") return;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  const hide = () => document.hidden && stop.abort("hidden");
  document.addEventListener("visibilitychange", hide);
  run();
  return () => {
    isEnded = true;
    document.removeEventListener("visibilitychange", hide);
    stop.abort("hidden");
  };
}

/** Settles once the page can be seen. */
function seen() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => document.addEventListener("visibilitychange", () => resolve(), { once: true }));
}

/** Reads one stream to its end, and says how that came. */
async function read(onEvent, onOpen, stop) {
  let timer;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort("silent"), SILENCE_MS);
  };
  try {
    wait();
    const response = await fetch("/api/v1/events", { headers: fields(), cache: "no-store", signal: stop.signal });
    if (!response.ok) return refusal(response.status, await response.json().catch(() => null));
    followClock(response.headers.get("date"));
    onOpen();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { state: "ended", detail: "" };
      wait();
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) onEvent(JSON.parse(line));
    }
  } catch {
    return stop.signal.reason === "hidden" ? "hidden" : { state: "lost", detail: "" };
  } finally {
    clearTimeout(timer);
  }
}

function refusal(status, value) {
  const detail = value?.detail ?? "";
  if (status === 401) return { state: "locked", detail };
  if (status === 403) return { state: "refused", detail };
  return { state: "lost", detail };
}
