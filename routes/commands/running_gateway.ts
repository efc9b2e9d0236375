import { messageOf } from "../../lib/errors.ts";
import { readEnv } from "../../lib/workers/supervisor/environment.ts";
import {
  readRunRecords,
  recordFolders,
  type RunRecord,
  runRecordsAt,
} from "../../lib/workers/supervisor/run_record.ts";
import { isFile, startedWith } from "./config_path.ts";

/** Where the admin surface of a running gateway is, and what opens it. */
export interface AdminAccess {
  readonly url: string;
  readonly token: string | null;
  /** File of the certificate that it shows; `null` where it is plain, or the system's authorities decide. */
  readonly certificateFile: string | null;
  /** Whether the gateway itself has noted both. */
  readonly isNoted: boolean;
}

/**
 * Where the gateway of a configuration may be, the likeliest first: where one that was started with this file has noted that it is,
 * then where the file says. The file need not be sound, nor there: it may have been changed since. The last one is always there.
 */
export async function* gatewayPlaces(config: string | undefined): AsyncGenerator<AdminAccess> {
  const files = startedWith(config);
  for (const file of files) yield* accesses(await readRunRecords(file, recordFolders(readEnv)));
  // Loaded only here: it costs more than all that a health check does.
  const { adminPlace } = await import("../../lib/config/admin_place.ts");
  const { reachableUrl } = await import("../../lib/config/addresses.ts");
  const { readText } = await import("../../lib/config/yaml/read_text.ts");
  const file = files.find(isFile) ?? files[0]!;
  const ownText = config === "-" ? (await import("./config_file.ts")).standardInput : undefined;
  const place = await adminPlace(file, { readTextFile: readText, ownText, env: readEnv, cwd: Deno.cwd() });
  yield* accesses(await readRunRecords(file, [place.dataDir]));
  // Of a copy of its file, perhaps: it is the same gateway where it is at the same address.
  const url = reachableUrl(place.listen, place.certificateFile === null ? "http" : "https");
  yield* accesses(await runRecordsAt(url, [...recordFolders(readEnv), place.dataDir]));
  yield { url, token: place.token, certificateFile: place.certificateFile, isNoted: false };
}

function accesses(records: readonly RunRecord[]): AdminAccess[] {
  return records.map(({ admin, certificateFile, key }) => ({ url: admin, token: key, certificateFile, isNoted: true }));
}

/** Why a request failed: `fetch` wraps what the system said. */
export function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause ?? error : error;
  return messageOf(cause).replace(
    /^error sending request for url \(.*?\): (?:client error \(\w+\): )?(?:tcp connect error: )?/,
    "",
  );
}

/** What is said where something answers that is no gateway. */
export function notGateway(url: string, status: number): string {
  return `What answers at ${url} is no gateway (${status})`;
}
