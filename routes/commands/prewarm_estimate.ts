import { CLIENT_NAMES, type ClientName } from "../../lib/clients/client_requests.ts";
import { clientNamed } from "../../lib/clients/client_table.ts";
import { ASSUMED_DOCUMENT_BYTES, typicalPictureBytes } from "../../lib/clients/typical_sizes.ts";
import { shownSize } from "../../lib/inspect/finding.ts";
import { type AdminReply, askAdmin, refusalOf } from "./admin_client.ts";
import { counted, estimate, type LibraryOrder } from "./library_order.ts";
import type { AdminAccess } from "./running_gateway.ts";
import { harmless } from "./text_layout.ts";

/** What of a library is to be fetched, by which listeners. */
export interface EstimateOptions {
  readonly order: LibraryOrder;
  readonly listener: string;
  /** The listener of pictures; `null` for none. */
  readonly images: string | null;
  /** What the user said in place of the configured rate. */
  readonly rate: number | undefined;
}

type DocumentKind = keyof typeof ASSUMED_DOCUMENT_BYTES;

/** Things of one kind, and what each takes. */
interface Share {
  /** With their number. */
  readonly what: string;
  readonly count: number;
  readonly bytes: number;
  /** Where the size comes from. */
  readonly from: string;
}

/** Documents of a kind that are looked up. */
const SAMPLE = 12;
const LOOK_UPS = 4;

/**
 * Says what a library takes before anything is fetched: bytes, requests, and time within the listener's and the key's rate.
 *
 * @throws {Error} where the gateway has no such listener; its message is for the user
 */
export async function estimateLibrary(access: AdminAccess, options: EstimateOptions): Promise<string[]> {
  const { order, listener, images, rate } = options;
  const { config } = valueOf<{ config: ShownConfig }>(await askAdmin(access, "GET /config"));
  const host = listenerOf(config, listener).host?.find((name) => !name.startsWith("*"));
  if (images !== null) listenerOf(config, images);
  const documents = await Promise.all(
    [...documentsByKind(order.targets)].map(([kind, targets]) => documentShare(access, kind, { targets, host })),
  );
  const pictures = images === null ? [] : await pictureShares(access, order, images);
  const shares = [...documents, ...pictures];
  const requests = order.targets.length + pictures.reduce((sum, { count }) => sum + count, 0);
  const total = shares.reduce((sum, { count, bytes }) => sum + count * bytes, 0);
  return [
    ...shares.map(({ what, bytes, from }) => `${what} of ${shownSize(bytes)} each, ${from}`),
    `About ${shownSize(total)} in all, at most`,
    estimate(requests, await ratePerSecond(access, { config, listener, rate })),
  ];
}

function documentsByKind(targets: readonly string[]): Map<DocumentKind, string[]> {
  const kinds = new Map<DocumentKind, string[]>();
  for (const target of targets) {
    const kind = /^\/3\/movie\//.test(target) ? "film" : /\/season\//.test(target) ? "season" : "show";
    if (!/^\/3\/(?:movie|tv)\//.test(target)) continue;
    kinds.set(kind, [...kinds.get(kind) ?? [], target]);
  }
  return kinds;
}

interface Looked {
  readonly stored: readonly { readonly bytes: number; readonly selected: boolean; readonly kind: string }[];
}

/** Looks up some documents of a kind, from all over the library: what is stored already says how large they are. */
async function documentShare(
  access: AdminAccess,
  kind: DocumentKind,
  { targets, host }: { readonly targets: readonly string[]; readonly host: string | undefined },
): Promise<Share> {
  const step = Math.max(1, targets.length / SAMPLE);
  const asked = Array.from({ length: Math.min(SAMPLE, targets.length) }, (_, at) => targets[Math.floor(at * step)]!);
  const sizes: number[] = [];
  const each = asked.values();
  const look = async () => {
    for (const target of each) {
      const url = host === undefined ? target : `https://${host}${target}`;
      const { stored } = valueOf<Looked>(await askAdmin(access, "POST /cache/lookup", { url }));
      const held = stored.find((one) => one.selected && one.kind === "response");
      if (held !== undefined) sizes.push(held.bytes);
    }
  };
  await Promise.all(Array.from({ length: LOOK_UPS }, look));
  const count = targets.length;
  const what = counted(count, `${kind} document`);
  if (sizes.length === 0) return { what, count, bytes: ASSUMED_DOCUMENT_BYTES[kind], from: "assumed: none is stored" };
  const bytes = Math.round(sizes.reduce((sum, size) => sum + size, 0) / sizes.length);
  return { what, count, bytes, from: `as ${sizes.length} of ${asked.length} that were looked up and are stored` };
}

interface ShownStatus {
  readonly listeners?: readonly {
    readonly name: string;
    readonly cache?: { readonly memory?: { readonly entries: number; readonly bytes: number } };
  }[];
}

/** Pictures held in memory that say how large they are. */
const ENOUGH_HELD = 20;

/** At most one poster of each title and season, and one backdrop of each title, in each size. */
async function pictureShares(access: AdminAccess, { titles, clients }: LibraryOrder, images: string): Promise<Share[]> {
  const seasons = titles.reduce((sum, title) => sum + title.seasons.length, 0);
  const { listeners = [] } = valueOf<ShownStatus>(await askAdmin(access, "GET /status"));
  const held = listeners.find(({ name }) => name === images)?.cache?.memory;
  const average = held === undefined || held.entries < ENOUGH_HELD ? null : Math.round(held.bytes / held.entries);
  const share = (kind: "poster" | "backdrop", count: number): Share[] =>
    sizesOf(clients, kind).map((size) => ({
      what: `${counted(count, kind)} in ${size}`,
      count,
      bytes: average ?? typicalPictureBytes(size, kind),
      from: average === null
        ? "as measured in docs/images.md"
        : `as the ${held!.entries} that listener ${images} holds`,
    }));
  return [...share("poster", titles.length + seasons), ...share("backdrop", titles.length)];
}

function sizesOf(clients: readonly ClientName[], kind: "poster" | "backdrop"): string[] {
  return [
    ...new Set(CLIENT_NAMES.filter((name) => clients.includes(name)).map((name) => clientNamed(name)!.sizes[kind])),
  ];
}

interface ShownListener {
  readonly name: string;
  readonly pool?: string;
  readonly host?: readonly string[];
  readonly prewarm?: { rate?: number };
}

interface ShownConfig {
  readonly listeners?: readonly ShownListener[];
}

/** @throws {Error} where there is none; its message is for the user */
function listenerOf({ listeners }: ShownConfig, listener: string): ShownListener {
  const found = listeners?.find(({ name }) => name === listener);
  if (found === undefined) throw new Error(`The gateway has no listener "${harmless(listener)}"`);
  return found;
}

interface RateParts {
  readonly config: ShownConfig;
  readonly listener: string;
  readonly rate: number | undefined;
}

/** Requests a second that a prewarm comes to: its own rate, or that of the fastest key of its pool where that is less. */
async function ratePerSecond(access: AdminAccess, { config, listener, rate }: RateParts): Promise<number> {
  const configured = listenerOf(config, listener);
  const pools = valueOf<{ name: string; keys?: { max_rps: number | null }[] }[]>(await askAdmin(access, "GET /pools"));
  const keys = pools.find(({ name }) => name === configured.pool)?.keys ?? [];
  const ofKeys = Math.max(0, ...keys.map(({ max_rps }) => max_rps ?? Infinity)) || Infinity;
  return Math.min(rate ?? configured.prewarm?.rate ?? 10, ofKeys);
}

function valueOf<T>(reply: AdminReply): T {
  if (!reply.ok) throw new Error(refusalOf(reply));
  return reply.value as T;
}
