import { messageOf } from "../../lib/errors.ts";
import { documentTarget, pictureTargets } from "../../lib/clients/client_requests.ts";
import { adminAccess, type AdminFlags } from "./admin_client.ts";
import { Misuse } from "./command.ts";
import {
  counted,
  estimate,
  type LibraryFlags,
  type LibraryOrder,
  libraryOrder,
  pieces,
  ratePerSecond,
} from "./library_order.ts";
import { begin, follow, type PrewarmLimits } from "./prewarm_progress.ts";
import type { AdminAccess } from "./running_gateway.ts";
import { fail, isOutputCut, print } from "./terminal.ts";
import { harmless } from "./text_layout.ts";

/** What the user said of it. */
export interface PrewarmLibraryFlags extends LibraryFlags, AdminFlags {
  readonly listener: string;
  readonly limits: PrewarmLimits;
  readonly images?: string;
  readonly base?: string;
  readonly yes?: boolean;
  readonly "dry-run"?: boolean;
  readonly "no-wait"?: boolean;
}

/**
 * Prewarms a media library, after a word on what it takes; answers the exit status.
 *
 * @throws {Misuse} where what was said does not fit together
 * @throws {Error} where the library cannot be read, or no gateway answers; its message is for the user
 */
export async function prewarmLibrary(flags: PrewarmLibraryFlags): Promise<number> {
  const pictures = picturePlace(flags);
  const order = await libraryOrder(flags);
  if (flags["dry-run"] === true) return printOrder(order);
  for (const line of order.said) print(line);
  if (order.targets.length === 0) return fail("There is nothing to prewarm");
  const all = pieces(order.targets);
  const isWaiting = flags["no-wait"] !== true;
  if (!isWaiting && (all.length > 1 || pictures !== null)) {
    throw new Misuse("--no-wait is for one job: this library takes more, one after the other");
  }
  const access = await adminAccess(flags);
  print(estimate(order.targets.length, await ratePerSecond(access, flags.listener, flags.limits.rate)));
  if (pictures !== null) {
    const perSecond = await ratePerSecond(access, pictures.listener, flags.limits.rate);
    print(`Then pictures of ${counted(order.titles.length, "title")}, at most ${perSecond} a second`);
  } else if (order.clients.length > 0) print(WITHOUT_PICTURES);
  if (flags.yes !== true && !isWanted()) return 1;
  const status = await fetchPieces(access, all, { ...flags, isWaiting });
  if (pictures === null || isOutputCut()) return status;
  const { targets, unread } = await picturesOf(order, pictures.base);
  print(`${counted(targets.length, "picture")} of ${counted(order.titles.length, "title")}`);
  const last = await fetchPieces(access, pieces(targets), { ...flags, listener: pictures.listener });
  return Math.max(status, last, unread > 0 ? 1 : 0);
}

const WITHOUT_PICTURES = "Pictures are left out: their paths are in the documents; --images and --base fetch them too";

/** The lines of a file for `--file`. */
function printOrder({ said, targets }: LibraryOrder): number {
  for (const line of said) print(`# ${line}`);
  for (const target of targets) print(target);
  return 0;
}

/** Asks on a terminal. @throws {Misuse} where there is none */
function isWanted(): boolean {
  if (!Deno.stdin.isTerminal()) throw new Misuse("There is no terminal to ask on: say --yes, or --dry-run");
  return /^y(?:es)?$/i.test(prompt("Fetch them? [y/N]")?.trim() ?? "");
}

interface PieceOptions {
  readonly listener: string;
  readonly limits: PrewarmLimits;
  readonly isWaiting?: boolean;
}

/** One job after the other; answers 1 where one was refused or stopped, or a path failed. */
async function fetchPieces(
  access: AdminAccess,
  all: readonly (readonly string[])[],
  { listener, limits, isWaiting = true }: PieceOptions,
): Promise<number> {
  let status = 0;
  for (const [index, paths] of all.entries()) {
    if (all.length > 1) print(`Part ${index + 1} of ${all.length}`);
    if (!await begin(access, { listener, paths, ...limits })) return 1;
    if (!isWaiting) return 0;
    const { code, state } = await follow(access, listener);
    status = Math.max(status, code);
    if (state !== "done") return status;
  }
  return status;
}

/** @throws {Misuse} */
function picturePlace({ images, base, client }: PrewarmLibraryFlags): { listener: string; base: string } | null {
  if (images === undefined && base === undefined) return null;
  if (images === undefined || base === undefined || client === undefined) {
    throw new Misuse("Pictures need all three: --client, --images and --base");
  }
  if (!/^https?:\/\//i.test(base) || !URL.canParse(base)) {
    throw new Misuse(`--base wants a URL such as http://127.0.0.1:6635, found "${harmless(base.slice(0, 100))}"`);
  }
  return { listener: images, base: base.replace(/\/+$/, "") };
}

const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;
const DOCUMENT_TIMEOUT_MS = 60_000;
const READERS = 4;

interface Pictures {
  readonly targets: readonly string[];
  /** Documents that could not be read. */
  readonly unread: number;
}

/** The pictures that the stored documents name, each once; says how many documents could not be read. */
async function picturesOf({ titles, clients, language }: LibraryOrder, base: string): Promise<Pictures> {
  const wanted = titles.flatMap((title) => clients.map((client) => ({ title, client }))).values();
  const targets = new Set<string>();
  let unread = 0;
  let problem = "";
  const read = async () => {
    for (const { title, client } of wanted) {
      try {
        const document = await documentAt(base + documentTarget(title, client, language));
        for (const target of pictureTargets(document, client)) targets.add(target);
      } catch (error) {
        unread++;
        problem = messageOf(error);
      }
    }
  };
  await Promise.all(Array.from({ length: READERS }, read));
  if (unread > 0) {
    fail(`Without pictures: ${counted(unread, "document")} could not be read (last: ${harmless(problem)})`);
  }
  return { targets: [...targets], unread };
}

async function documentAt(url: string): Promise<unknown> {
  const response = await fetch(url, {
    headers: { accept: "application/json" },
    redirect: "manual",
    signal: AbortSignal.timeout(DOCUMENT_TIMEOUT_MS),
  });
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_DOCUMENT_BYTES) throw new Error(`it is larger than ${MAX_DOCUMENT_BYTES} bytes`);
    chunks.push(chunk);
  }
  if (!response.ok) throw new Error(`status ${response.status}`);
  return JSON.parse(await new Blob(chunks).text());
}
