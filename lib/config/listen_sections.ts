import { resolve } from "node:path";
import type { z } from "zod";
import { speaksForProxy, WRITTEN_FORWARDING_FIELDS } from "../forwarded_fields.ts";
import { Interpolated } from "./yaml/interpolate.ts";
import type { ListenAddress } from "./config.ts";
import { flag, line, listenAddress, scalar, size, Unusable } from "./yaml/scalars.ts";
import { list, section, short } from "./yaml/section.ts";
import { tlsKey } from "./tls.ts";

const PiB = 1024 ** 5;

/** Permission bits of a file. Its digits are octal however they are written; the tree keeps a number's text for that. */
export function fileMode() {
  const expected = new Unusable('a file mode of octal digits, such as "0660"');
  return scalar<number>({
    title: "file mode",
    json: { anyOf: [{ type: "string", pattern: "^0?o?[0-7]{3}$" }, { type: "integer" }] },
    expected,
    interpolated: "text",
    read(value) {
      const digits = /^(?:0|0o)?([0-7]{3})$/.exec(String(value))?.[1];
      return digits === undefined ? expected : parseInt(digits, 8);
    },
  });
}

/** A field that clients' requests lose, of which the gateway does not write its own. */
function forwardField() {
  const expected = new Unusable(
    "a field that speaks for a proxy, as docs/networking.md lists them (all others are passed on), and not one that the pool's `forwarded` writes",
  );
  return scalar<string>({
    title: "field",
    json: { type: "string" },
    expected,
    interpolated: "text",
    read(value) {
      const name = typeof value === "string" && value.length <= 128 ? value.toLowerCase() : "";
      const isOne = FIELD_NAME.test(name) && speaksForProxy(name) && !WRITTEN_FORWARDING_FIELDS.has(name);
      return isOne ? name : expected;
    },
  });
}

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;

const listenSection = section({
  address: listenAddress().optional().describe("Address and port; alone it may stand in the place of the mapping."),
  unix: line("path").optional().describe(
    "A unix socket in place of `address`: the path of its file, relative to the working directory.",
  ),
  mode: fileMode().prefault("0660").describe(
    "Permission bits of that file, in octal: who may write to it may connect.",
  ),
});

const SHORTHAND = { type: "string", pattern: "^[^ ]*:[0-9]+$|\\$\\{", title: "listen address" };

function isScalar(value: unknown): boolean {
  return value instanceof Interpolated || (value !== undefined && typeof value !== "object");
}

/** Keys of a listener that say where and how connections come in. */
export const listenKeys = {
  listen: short(listenSection, SHORTHAND, (value) => isScalar(value) ? { address: value } : value)
    .prefault("0.0.0.0:6635").describe(
      "Address and port, or `{ unix: PATH }`; several listeners may share one.",
    ),
  proxy_protocol: flag().prefault(false).describe(
    "Each connection of `server.trusted_proxies`, or on a unix socket, begins with a PROXY header (version 1 or 2) that names the client; connections of others are taken as they are.",
  ),
  tls: tlsKey().describe(
    "Speak TLS on the address, with these certificates; listeners that share it all have `tls`, and what they name adds up.",
  ),
  redirect_to_https: flag().prefault(false).describe(
    "Answer every request on a plain address with a redirect to the same URL with `https`, on the port of the TLS address (443 where there are several, or none).",
  ),
  max_request_body: size(0, PiB).optional().describe(
    "Largest request body that is passed on; larger ones get 413. Default: `server.max_request_body`.",
  ),
  forward_fields: list(forwardField(), 16).prefault([]).describe(
    "Request fields that speak for a proxy, such as `X-Forwarded-Scheme`, and are passed on all the same; their values are part of the cache key.",
  ),
};

/** `listen:` of a listener, as the file has it. */
export type ListenValues = z.output<typeof listenSection>;

/** The address that a listener listens on, relative paths from `cwd`; `null` where it names none, or two. */
export function listenAddressOf({ address, unix, mode }: ListenValues, cwd: string): ListenAddress | null {
  if ((address === undefined) === (unix === undefined)) return null;
  return address ?? { path: resolve(cwd, unix!), mode };
}
