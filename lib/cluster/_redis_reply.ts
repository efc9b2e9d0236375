import { Buffer } from "node:buffer";
import {
  type EngineArgument,
  EngineError,
  type EngineErrorKind,
  type EngineReply,
  type StreamEntry,
} from "./engine.ts";

/** What the client gives for a reply when it is asked for bytes. */
export type ClientReply = Buffer | string | number | null | undefined | Error | readonly ClientReply[];

const DECODER = new TextDecoder();
const ENCODER = new TextEncoder();

/** Errors of the engine by their first word; what is not here is `wrong`. */
const KINDS: Readonly<Record<string, EngineErrorKind>> = {
  OOM: "full",
  NOPERM: "refused",
  NOAUTH: "refused",
  WRONGPASS: "refused",
  READONLY: "refused",
  MISCONF: "refused",
  NOREPLICAS: "refused",
  MASTERDOWN: "down",
  LOADING: "down",
  BUSY: "late",
  CLUSTERDOWN: "down",
  TRYAGAIN: "down",
};

/** What the client says where a command was not sent or its connection was lost. */
const LOST =
  /Connection is closed|Stream isn't writeable|Socket closed|ClusterAllFailed|All sentinels are unreachable|Failed to refresh slots|None of startup nodes|max retries|ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|timed? ?out/i;

/** An argument as the client takes it: only a `Buffer` goes out as bytes. */
export function clientArgument(argument: EngineArgument): Buffer | string {
  if (typeof argument !== "object") return String(argument);
  return Buffer.from(argument.buffer as ArrayBuffer, argument.byteOffset, argument.byteLength);
}

/** A reply as plain values. @throws {EngineError} where there is an error in it */
export function engineReply(reply: ClientReply): EngineReply {
  if (reply === null || reply === undefined || typeof reply === "number") return reply ?? null;
  if (typeof reply === "string") return ENCODER.encode(reply);
  if (reply instanceof Error) throw engineError(reply);
  if (Array.isArray(reply)) return reply.map(engineReply);
  // A view of its own class: `slice` of a Buffer is no copy.
  const bytes = reply as Buffer;
  return new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
}

/** What the client rejected with. The engine's own words may quote an argument, so only their first is kept. */
export function engineError(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const word = firstWord(text);
  const known = KINDS[word];
  if (known !== undefined) return new EngineError(known, `the engine answered ${word}`, { cause: error });
  if (LOST.test(text)) return new EngineError("down", "there is no connection to the engine", { cause: error });
  return new EngineError("wrong", `the engine answered ${word === "" ? "what cannot be read" : word}`, {
    cause: error,
  });
}

/** The word that names an error; of a command in a script, the command's. */
function firstWord(text: string): string {
  if (/^ERR .*can't (?:run this command|access at least one)/s.test(text)) return "NOPERM";
  const inner = /^ERR .*script.*?-?\b(OOM|NOPERM|READONLY|NOREPLICAS|MISCONF)\b/s.exec(text)?.[1];
  return inner ?? /^-?([A-Z]{2,})\b/.exec(text)?.[1] ?? "";
}

/** Whether the engine does not know a script by its digest. */
export function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("NOSCRIPT");
}

/** The entries of an `XRANGE`. @throws {EngineError} where it is none */
export function streamEntries(reply: EngineReply): StreamEntry[] {
  if (!Array.isArray(reply)) throw new EngineError("wrong", "the engine answered no entries of a stream");
  return reply.map((entry) => {
    const [id, pairs] = Array.isArray(entry) ? entry : [];
    // One that was deleted has no fields.
    if (!isBytes(id) || !(Array.isArray(pairs) || pairs === null)) {
      throw new EngineError("wrong", "the engine answered no entry of a stream");
    }
    const fields = new Map<string, Uint8Array<ArrayBuffer>>();
    const list = pairs ?? [];
    for (let at = 0; at + 1 < list.length; at += 2) {
      const [name, value] = [list[at], list[at + 1]];
      if (isBytes(name) && isBytes(value)) fields.set(DECODER.decode(name), value);
    }
    return { id: DECODER.decode(id), fields };
  });
}

/** The lines of an `INFO`. */
export function infoLines(reply: EngineReply): Map<string, string> {
  if (!(reply instanceof Uint8Array)) throw new EngineError("wrong", "the engine said nothing of itself");
  const lines = DECODER.decode(reply).split(/\r?\n/).filter((line) => /^[a-z]/i.test(line) && line.includes(":"));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]));
}

function isBytes(reply: EngineReply | undefined): reply is Uint8Array<ArrayBuffer> {
  return reply instanceof Uint8Array;
}
