import { resolve } from "node:path";
import type { z } from "zod";
import { speaksForProxy, WRITTEN_FORWARDING_FIELDS } from "../forwarded_fields.ts";
import {
  type Addressed,
  formatListenAddress,
  isUnix,
  type ListenAddress,
  overlaps,
  type TcpAddress,
} from "./addresses.ts";
import { filePath, listenAddress, TOKEN } from "./http_scalars.ts";
import { tlsKey } from "./tls.ts";
import type { Path } from "./yaml/located.ts";
import type { Problems } from "./yaml/problems.ts";
import { flag, scalar, size, Unusable } from "./yaml/scalars.ts";
import { isScalar, list, section, short } from "./yaml/section.ts";
import { PiB } from "./yaml/units.ts";

/** Longest path of a unix socket that every system takes (`sun_path` less its NUL). */
const MAX_SOCKET_PATH_BYTES = 103;

/** Permission bits of a file. Its digits are octal however they are written; the tree keeps a number's text for that. */
function fileMode() {
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
      const isOne = TOKEN.test(name) && speaksForProxy(name) && !WRITTEN_FORWARDING_FIELDS.has(name);
      return isOne ? name : expected;
    },
  });
}

const listenSection = section({
  address: listenAddress().optional().describe("Address and port; alone it may stand in the place of the mapping."),
  unix: filePath().optional().describe(
    "A unix socket in place of `address`: the path of its file, relative to the working directory.",
  ),
  mode: fileMode().prefault("0660").describe(
    "Permission bits of that file, in octal: who may write to it may connect.",
  ),
});

const SHORTHAND = { type: "string", pattern: "^[^ ]*:[0-9]+$|\\$\\{", title: "listen address" };

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

/** What a listener says of its address. */
interface ListenValues {
  readonly listen: z.output<typeof listenSection>;
  readonly proxy_protocol: boolean;
}

/** A listener whose address can be relied on. */
type Placed = Addressed<ListenValues> & { readonly address: ListenAddress };

/** What of a file the addresses of its listeners depend on. */
interface Surroundings {
  readonly server: { readonly workers: number | "auto"; readonly trusted_proxies: readonly string[] };
  readonly admin: { readonly listen: TcpAddress };
}

/** The address that a listener listens on, relative paths from `cwd`; `null` where it names none, or two. */
export function listenAddressOf({ address, unix, mode }: ListenValues["listen"], cwd: string): ListenAddress | null {
  if ((address === undefined) === (unix === undefined)) return null;
  return address ?? { path: resolve(cwd, unix!), mode };
}

/** Checks the addresses of the listeners, each alone and all together. */
export function checkAddresses(
  all: readonly Addressed<ListenValues>[],
  { server, admin }: Surroundings,
  problems: Problems,
): void {
  for (const one of all) checkForm(one, problems);
  const placed = all.filter((one): one is Placed => one.address !== null && !problems.has([...one.path, "listen"]));
  if (server.workers !== 1) checkPorts(placed, problems);
  const distinct = new Map<string, Placed>();
  for (const one of placed) {
    const key = formatListenAddress(one.address);
    const first = distinct.get(key);
    if (first === undefined) distinct.set(key, one);
    else checkAgreement(first, one, problems);
    checkProxyProtocol(one, server.trusted_proxies, problems);
  }
  checkOverlaps([...distinct.values()], admin.listen, problems);
}

/** Says what is wrong with `listen` alone. */
function checkForm({ listener: { listen }, path, address }: Addressed<ListenValues>, problems: Problems): void {
  const at = [...path, "listen"];
  if (problems.has(at)) return;
  if (address === null) {
    const found = listen.unix === undefined ? "neither address nor unix" : "address together with unix";
    problems.add(at, `found ${found} expected one of them`);
  } else if (!isUnix(address)) {
    if (!problems.isGiven([...at, "mode"])) return;
    problems.atKey([...at, "mode"], "found mode expected none beside address: only a unix socket is a file");
  } else if (new TextEncoder().encode(address.path).byteLength > MAX_SOCKET_PATH_BYTES) {
    problems.expect([...at, "unix"], `a path of at most ${MAX_SOCKET_PATH_BYTES} bytes, as an absolute one`);
  }
}

/** Port 0 gives each worker a port of its own. */
function checkPorts(placed: readonly Placed[], problems: Problems): void {
  for (const { address, path } of placed) {
    if (isUnix(address) || address.port !== 0) continue;
    problems.expect([...path, "listen"], "a port, because 0 works with `server.workers: 1` only");
  }
}

/** Different addresses that cannot be listened on together; `distinct` are the first listeners of each. */
function checkOverlaps(distinct: readonly Placed[], admin: TcpAddress, problems: Problems): void {
  for (const [index, { address, path }] of distinct.entries()) {
    const at = [...path, "listen"];
    const other = distinct.slice(0, index).find((earlier) => overlaps(earlier.address, address));
    if (other !== undefined) {
      const where = problems.elsewhere([...other.path, "listen"]);
      const hint = "0.0.0.0 and [::] cover the others on their port, so write one address everywhere";
      problems.expect(at, `an address that does not overlap with ${where}; ${hint}`);
    }
    if (overlaps(admin, address)) reportAdminOverlap(at, problems);
  }
}

/** Says at `admin.listen`, or at the listener where the admin address is the default, that they overlap. */
function reportAdminOverlap(path: Path, problems: Problems): void {
  const admin = ["admin", "listen"];
  if (problems.has(admin)) return;
  if (problems.isGiven(admin)) {
    problems.expect(admin, `an address of its own (${problems.elsewhere(path)} overlaps with it)`);
  } else {
    problems.expect(path, "an address that is not the admin one (127.0.0.1:6636, unless admin.listen says otherwise)");
  }
}

/** What is said of an address holds for all its listeners: one connection may bring requests for each of them. */
function checkAgreement(first: Placed, other: Placed, problems: Problems): void {
  const where = `as ${problems.elsewhere(first.path)} says of the same address`;
  if (isUnix(first.address) && isUnix(other.address) && first.address.mode !== other.address.mode) {
    const mode = first.address.mode.toString(8).padStart(4, "0");
    problems.expect([...other.path, "listen", "mode"], `"${mode}", ${where}`);
  }
  const at = [...other.path, "proxy_protocol"];
  if (problems.has(at) || problems.has([...first.path, "proxy_protocol"])) return;
  if (first.listener.proxy_protocol !== other.listener.proxy_protocol) {
    problems.expect(at, `${first.listener.proxy_protocol}, ${where}`);
  }
}

/** PROXY headers are believed of trusted proxies alone; on a unix socket the mode of its file says who may connect. */
function checkProxyProtocol(
  { listener, path, address }: Placed,
  trusted: readonly string[],
  problems: Problems,
): void {
  if (!listener.proxy_protocol || isUnix(address)) return;
  if (trusted.length > 0 || problems.has(["server", "trusted_proxies"])) return;
  problems.expect(
    [...path, "proxy_protocol"],
    "false, or the addresses of those who send the header in server.trusted_proxies, which is empty",
  );
}
