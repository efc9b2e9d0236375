import type { RecordedRequest } from "../origins/recorded_request.ts";
import { demoApiKey, startTmdbOrigin, type TmdbOrigin } from "../origins/tmdb_origin.ts";
import { eventually, type RunningGateway, startDemoGateway } from "../system/demo_gateway.ts";
import { type Scan, scannedTitles } from "./scanned.ts";
import { classOf, PRIVATE_CLASSES, type Seen, type Traffic, trafficOf } from "./traffic.ts";

/** One scan through the gateway. */
export interface ScanTraffic {
  /** What the client asked for. */
  readonly client: Traffic;
  /** What of it came to the origin. */
  readonly origin: Traffic;
  /** Statuses that the client got, one of each. */
  readonly statuses: readonly number[];
  /** What users' requests and writes were as the origin got them. */
  readonly private: readonly string[];
  readonly pictureBytes: number;
}

/** The same scan twice: through a gateway that knows nothing, then through the same one. */
export interface ColdAndWarm {
  readonly cold: ScanTraffic;
  readonly warm: ScanTraffic;
}

/** Scans the library twice through a gateway of its own: the real process, with the demo's configuration and origin. */
export async function scanTwice(scan: Scan): Promise<ColdAndWarm> {
  const origin = await startTmdbOrigin();
  const gateway = await startDemoGateway(origin.url);
  try {
    const cold = await scanOnce(scan, gateway, origin);
    // A worker finds on disk what another one has stored.
    await eventually("all is on disk", async () => (await diskOf(gateway)).pending === 0);
    return { cold, warm: await scanOnce(scan, gateway, origin) };
  } finally {
    await gateway.close();
    await origin.close();
  }
}

/** Scans without a gateway: what users' requests and writes are then. */
export async function scanDirectly(scan: Scan): Promise<Pick<ScanTraffic, "private" | "pictureBytes">> {
  const origin = await startTmdbOrigin();
  try {
    const { pictureBytes } = await scan({ base: origin.url, key: demoApiKey, titles: scannedTitles });
    return { private: privateRequests(origin.requests), pictureBytes };
  } finally {
    await origin.close();
  }
}

/** What the origin makes another one each time: a session. */
const SESSION = /\b[0-9a-f]{40}\b/g;

/** Method, target, content type and body of each. */
function privateRequests(requests: readonly RecordedRequest[]): string[] {
  return requests.filter((request) => PRIVATE_CLASSES.includes(classOf(request))).map((request) => {
    const { method, target, fields, body } = request;
    const contentType = fields.find(([name]) => name === "content-type")?.[1] ?? "";
    const text = `${method} ${target} ${contentType} ${new TextDecoder().decode(body)}`;
    return text.replaceAll(SESSION, "session");
  });
}

async function scanOnce(scan: Scan, gateway: RunningGateway, origin: TmdbOrigin): Promise<ScanTraffic> {
  const before = accessLines(gateway).length;
  origin.requests.length = 0;
  const { pictureBytes } = await scan({ base: gateway.url, key: demoApiKey, titles: scannedTitles });
  const all = (await gateway.status()).listeners.reduce((sum, { requests }) => sum + requests, 0);
  await eventually("every request has its line in the log", () => accessLines(gateway).length === all);
  const asked = accessLines(gateway).slice(before);
  const sent = origin.requests.filter(({ fields }) =>
    !fields.some(([name, value]) => name === "user-agent" && value === "usher-health")
  );
  return {
    client: trafficOf(asked),
    origin: trafficOf(sent),
    statuses: [...new Set(asked.map(({ status }) => status))].sort(),
    private: privateRequests(sent),
    pictureBytes,
  };
}

/** What clients asked for, from the access log. */
function accessLines(gateway: RunningGateway): (Seen & { readonly status: number })[] {
  return [...gateway.log().matchAll(/ access=\S+ .*? method=(\S+) .*?target=(\S+) status=(\d+)/g)].map((match) => ({
    method: match[1]!,
    target: match[2]!,
    status: Number(match[3]),
  }));
}

async function diskOf(gateway: RunningGateway): Promise<{ readonly pending: number }> {
  const { cache } = await gateway.status() as unknown as { cache: { disk: { queuedWrites: number } } };
  return { pending: cache.disk.queuedWrites };
}
