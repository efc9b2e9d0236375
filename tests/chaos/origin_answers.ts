import type { Field } from "../../lib/http/fields.ts";
import { fieldValue } from "../../lib/http/fields.ts";
import type { ScriptedExchange, ScriptedHead } from "../origins/scripted_origin.ts";
import {
  type Asked,
  bodyOf,
  type ListenerName,
  modifiedAtMs,
  type Resource,
  resource,
  tagOf,
  versionAt,
} from "./resources.ts";

const TYPES = { json: "application/json", jpeg: "image/jpeg", text: "text/plain; charset=utf-8" } as const;

/** A response of an origin in good order: its head, and its content in the framing of the resource. */
export interface OriginAnswer {
  readonly head: string;
  readonly body: Uint8Array;
  readonly framing: Resource["framing"];
}

/** What a request that came through the gateway asks for; `null` where it is for nothing that the origins hold. */
export function askedBy({ target, fields }: ScriptedHead): Asked | null {
  const listener = fieldValue(fields, "x-chaos-listener") as ListenerName | null;
  const index = /(\d+)(?:\.jpg)?$|^\/3\/account\/(\d+)\//.exec(target.split("?")[0]!);
  if (listener === null || index === null) return null;
  const found = resource(listener, Number(index[1] ?? index[2]));
  const variant = found.vary === null ? "" : fieldValue(fields, found.vary) ?? "";
  return { resource: found, variant, user: found.isPrivate ? userOf(target, fields) : "" };
}

function userOf(target: string, fields: ScriptedHead["fields"]): string {
  const session = new URLSearchParams(target.split("?")[1] ?? "").get("session_id");
  const authorization = fieldValue(fields, "authorization");
  return session ?? authorization?.replace(/^Bearer /, "") ??
    /sid=([^;]*)/.exec(fieldValue(fields, "cookie") ?? "")?.[1] ?? "";
}

/** The answer to a request at a moment; a 304 where the request's condition holds. */
export function answerTo(asked: Asked, head: ScriptedHead, madeAtMs: number): OriginAnswer {
  const { resource: found } = asked;
  const version = versionAt(found, madeAtMs);
  const fields: Field[] = [
    ["date", new Date(madeAtMs).toUTCString()],
    ["cache-control", found.control],
    ["x-made", String(madeAtMs)],
    ["surrogate-key", `tag${found.index % 10}`],
  ];
  if (found.vary !== null) fields.push(["vary", found.vary]);
  if (found.isPrivate && found.listener === "users" && found.index % 5 === 0) {
    fields.push(["set-cookie", `seen=${asked.user}; Path=/`]);
  }
  const tag = `"${tagOf(asked, version)}"`;
  const modified = new Date(modifiedAtMs(found, version)).toUTCString();
  if (found.validator === "etag") fields.push(["etag", tag]);
  if (found.validator === "date") fields.push(["last-modified", modified]);
  const isSame = found.validator === "etag"
    ? fieldValue(head.fields, "if-none-match") === tag
    : found.validator === "date" && fieldValue(head.fields, "if-modified-since") === modified;
  if (isSame) return { head: headOf(304, fields), body: new Uint8Array(), framing: "length" };
  const body = bodyOf(asked, version);
  fields.push(["content-type", TYPES[found.form]]);
  if (found.framing === "length") fields.push(["content-length", String(body.length)]);
  if (found.framing === "chunked") fields.push(["transfer-encoding", "chunked"]);
  if (found.framing === "close") fields.push(["connection", "close"]);
  return { head: headOf(200, fields), body, framing: found.framing };
}

function headOf(status: number, fields: readonly Field[]): string {
  return `HTTP/1.1 ${status} Made\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
}

/** Sends an answer; with `share`, so much of its content only, and then nothing more. */
export async function sendAnswer(
  exchange: ScriptedExchange,
  answer: OriginAnswer,
  { share = 1, pauseMs = 0 }: { readonly share?: number; readonly pauseMs?: number } = {},
): Promise<void> {
  await exchange.write(answer.head);
  if (exchange.head.method === "HEAD" || answer.body.length === 0) return;
  const body = answer.body.subarray(0, Math.ceil(answer.body.length * share));
  const pieceBytes = Math.max(1, Math.ceil(body.length / (pauseMs > 0 ? 8 : 2)));
  for (let at = 0; at < body.length && exchange.isOpen; at += pieceBytes) {
    const piece = body.subarray(at, at + pieceBytes);
    if (answer.framing === "chunked") await exchange.write(`${piece.length.toString(16)}\r\n`);
    await exchange.write(piece);
    if (answer.framing === "chunked") await exchange.write("\r\n");
    if (pauseMs > 0) await exchange.wait(pauseMs);
  }
  if (share < 1) return;
  if (answer.framing === "chunked") await exchange.write("0\r\n\r\n");
  if (answer.framing === "close") exchange.end();
}
