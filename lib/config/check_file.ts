import type { ListenAddress } from "./addresses.ts";
import { checkAdmin } from "./admin.ts";
import { checkCache } from "./caching.ts";
import { type CertificateReading, type NamedFiles, readAuthorities, readCertificates } from "./certificates.ts";
import { draftSchema, type DraftValues } from "./config.ts";
import { checkCluster } from "./cluster.ts";
import { engineFiles } from "./engine.ts";
import { checkForwardProxies } from "./forward_proxies.ts";
import { checkListeners } from "./listener.ts";
import { checkAddresses, listenAddressOf } from "./listen.ts";
import { checkPool } from "./pool.ts";
import { checkLogging } from "./logging.ts";
import { checkServer } from "./server.ts";
import { checkListenersTls, checkTls, namedCertificates } from "./tls.ts";
import { salvage } from "./yaml/issues.ts";
import { checkTracing } from "./tracing.ts";
import type { TracingEnvironment } from "./tracing_environment.ts";
import type { Path } from "./yaml/located.ts";
import type { Problems } from "./yaml/problems.ts";

/** What a file is checked with. */
export interface CheckOptions {
  readonly reading: CertificateReading;
  /** Directory that relative paths start from, absolute. */
  readonly cwd: string;
  /** Whether the process may load native code. */
  readonly mayLoadAddons: boolean;
  /** What OpenTelemetry's variables say. */
  readonly tracing: TracingEnvironment;
}

/**
 * Checks what no key can tell alone on the part of a file that is sound, and notes every problem and warning. Answers with what the files
 * hold that it names.
 */
export async function checkFile(found: Problems, options: CheckOptions): Promise<NamedFiles> {
  const { reading, cwd, mayLoadAddons } = options;
  const sound = salvage(draftSchema, found.tree.root);
  if (sound === null) return { authorities: new Map(), certificates: new Map() };
  const { values } = sound;
  const problems = found.within(sound.original);
  const listeners = values.listeners.map((listener, index) => {
    const address: ListenAddress | null = listenAddressOf(listener.listen, cwd);
    return { listener, path: ["listeners", index], address };
  });
  const { pools, cache, server, admin, logging } = values;
  checkAdmin(admin, problems);
  checkCache(cache, problems);
  checkCluster(values, problems);
  checkServer(server, problems);
  checkLogging(logging, problems);
  checkTracing(values.tracing, options.tracing, problems);
  for (const pool of Object.entries(pools)) checkPool(pool, values.listeners, problems);
  checkListeners(listeners, {
    ...{ problems, pools, diskBytes: cache.disk, mayLoadAddons },
    sharesResponses: values.cluster !== undefined && cache.shared?.enabled === true,
  });
  checkAddresses([...listeners, ...proxyAddresses(values)], values, problems);
  checkForwardProxies(values.forward_proxies, { listeners, pools }, problems);
  checkListenersTls(listeners, problems);
  checkTls(admin.tls, ["admin", "tls"], problems);
  const named = upstreamFiles(values);
  const engines = [
    engineFiles(values.cluster ?? {}, ["cluster"]),
    engineFiles(cache.shared ?? {}, ["cache", "shared"]),
  ];
  return {
    authorities: await readAuthorities(
      [
        ...named.authorities,
        ...engines.flatMap((one) => one.authorities),
        ...acmeAuthorities(values),
      ],
      problems,
      reading,
    ),
    certificates: await readCertificates(
      [
        ...namedCertificates(admin.tls, ["admin", "tls"], problems),
        ...named.certificates,
        ...engines.flatMap((one) => one.certificates),
        ...listeners.flatMap(({ listener, path }) => namedCertificates(listener.tls, [...path, "tls"], problems)),
      ],
      problems,
      reading,
    ),
  };
}

/** Forward proxies as listeners, as far as their addresses go. */
function proxyAddresses({ forward_proxies }: DraftValues) {
  return forward_proxies.map(({ listen: address = null }, index) => ({
    listener: { listen: { address: address ?? undefined, mode: 0 }, proxy_protocol: false },
    path: ["forward_proxies", index],
    address,
  })).filter(({ address }) => address !== null);
}

/** The files that upstreams name. */
function upstreamFiles({ pools }: DraftValues) {
  const upstreams = Object.entries(pools).flatMap(([name, pool]) =>
    (pool.upstreams ?? []).map((upstream, index) => ({ ...upstream, path: ["pools", name, "upstreams", index] }))
  );
  return {
    authorities: upstreams.flatMap(({ ca, path }) => ca === undefined ? [] : [{ file: ca, path: [...path, "ca"] }]),
    certificates: upstreams.filter(({ cert }) => cert !== undefined),
  };
}

/** The files of authorities for directories that certificates are fetched from. */
function acmeAuthorities({ listeners }: DraftValues): { readonly file: string; readonly path: Path }[] {
  return listeners.flatMap(({ tls }, index) => {
    const ca = tls?.acme?.ca;
    return ca === undefined ? [] : [{ file: ca, path: ["listeners", index, "tls", "acme", "ca"] }];
  });
}
