import { formatListenAddress, isUnix, overlaps } from "./addresses.ts";
import type { ListenAddress } from "./config.ts";
import { listenAddressOf } from "./listen_sections.ts";
import type { Path } from "./yaml/located.ts";
import type { DraftValues } from "./schema.ts";
import type { ValidationContext } from "./validation_context.ts";

type DraftListener = DraftValues["listeners"][number];

/** Longest path of a unix socket that every system takes (`sun_path` less its NUL). */
const MAX_SOCKET_PATH_BYTES = 103;

/** A listener with the address that it listens on. */
interface Placed {
  readonly listener: DraftListener;
  /** Of the listener in the file. */
  readonly path: Path;
  readonly address: ListenAddress;
}

/** `listeners[0] in line 20`, for a message about another place. */
export function elsewhere(path: Path, { problems }: ValidationContext): string {
  const { path: text, line } = problems.locate(path);
  return `${text} in line ${line}`;
}

/** Says what is wrong with `listen` alone. */
function validateForm({ listen }: DraftListener, path: Path, { problems, cwd }: ValidationContext): void {
  const at = [...path, "listen"];
  if (problems.has(at)) return;
  if ((listen.address === undefined) === (listen.unix === undefined)) {
    const found = listen.unix === undefined ? "neither address nor unix" : "address together with unix";
    return problems.add(at, `found ${found} expected one of them`);
  }
  const address = listenAddressOf(listen, cwd)!;
  if (!isUnix(address)) {
    if (problems.given([...at, "mode"]).length < at.length + 1) return;
    problems.add([...at, "mode"], "found mode expected none beside address: only a unix socket is a file", {
      atKey: true,
    });
  } else if (new TextEncoder().encode(address.path).byteLength > MAX_SOCKET_PATH_BYTES) {
    problems.expect([...at, "unix"], `a path of at most ${MAX_SOCKET_PATH_BYTES} bytes, as an absolute one`);
  }
}

/** The listeners whose address can be relied on. */
function placedListeners({ values, original, problems, cwd }: ValidationContext): Placed[] {
  return values.listeners.flatMap((listener, index) => {
    const path = original(["listeners", index]);
    const address = problems.has([...path, "listen"]) ? null : listenAddressOf(listener.listen, cwd);
    return address === null ? [] : [{ listener, path, address }];
  });
}

/** Port 0 gives each worker a port of its own. */
function validatePorts(placed: readonly Placed[], { values, problems }: ValidationContext): void {
  if (values.server.workers === 1) return;
  for (const { address, path } of placed) {
    if (isUnix(address) || address.port !== 0) continue;
    problems.expect([...path, "listen"], "a port, because 0 works with `server.workers: 1` only");
  }
}

/** Different addresses that cannot be listened on together; `distinct` are the first listeners of each. */
function validateOverlaps(distinct: readonly Placed[], context: ValidationContext): void {
  const { admin } = context.values;
  for (const [index, { address, path }] of distinct.entries()) {
    const at = [...path, "listen"];
    const other = distinct.slice(0, index).find((earlier) => overlaps(earlier.address, address));
    if (other !== undefined) {
      const hint = "0.0.0.0 and [::] cover the others on their port, so write one address everywhere";
      const where = elsewhere([...other.path, "listen"], context);
      context.problems.expect(at, `an address that does not overlap with ${where}; ${hint}`);
    }
    if (overlaps(admin.listen, address)) reportAdminOverlap(at, context);
  }
}

/** Says at `admin.listen`, or at the listener where the admin address is the default, that they overlap. */
function reportAdminOverlap(path: Path, context: ValidationContext): void {
  const { problems } = context;
  const adminPath = ["admin", "listen"];
  if (problems.has(adminPath)) return;
  if (problems.given(adminPath).length === 2) {
    problems.expect(adminPath, `an address of its own (${elsewhere(path, context)} overlaps with it)`);
  } else {
    problems.expect(path, "an address that is not the admin one (127.0.0.1:6636, unless admin.listen says otherwise)");
  }
}

/** What is said of an address holds for all its listeners: one connection may bring requests for each of them. */
function validateAgreement(first: Placed, other: Placed, context: ValidationContext): void {
  const { problems } = context;
  const where = `as ${elsewhere(first.path, context)} says of the same address`;
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
function validateProxyProtocol({ listener, path, address }: Placed, { values, problems }: ValidationContext): void {
  const trusted = ["server", "trusted_proxies"];
  if (!listener.proxy_protocol || isUnix(address)) return;
  if (values.server.trusted_proxies.length > 0 || problems.has(trusted)) return;
  problems.expect(
    [...path, "proxy_protocol"],
    "false, or the addresses of those who send the header in server.trusted_proxies, which is empty",
  );
}

/** Checks the addresses of the listeners, each alone and all together. */
export function validateAddresses(context: ValidationContext): void {
  for (const [index, listener] of context.values.listeners.entries()) {
    validateForm(listener, context.original(["listeners", index]), context);
  }
  const placed = placedListeners(context);
  validatePorts(placed, context);
  const distinct = new Map<string, Placed>();
  for (const one of placed) {
    const key = formatListenAddress(one.address);
    const first = distinct.get(key);
    if (first === undefined) distinct.set(key, one);
    else validateAgreement(first, one, context);
    validateProxyProtocol(one, context);
  }
  validateOverlaps([...distinct.values()], context);
}
