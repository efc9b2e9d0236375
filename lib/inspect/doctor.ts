import type { ListenAddress } from "../config/addresses.ts";
import type { Config } from "../config/config.ts";
import { formatLocated } from "../config/yaml/located.ts";
import type { Loaded } from "../config/load.ts";
import { type DiagnoseOptions, diagnosePools, type PoolDiagnosis } from "./diagnose_pool.ts";
import type { PeerFigures } from "../server/peer_sight.ts";
import { countsOf, type Finding, type FindingState } from "./finding.ts";
import { tlsFindings } from "./tls_findings.ts";
import { diagnoseDisk } from "./diagnose_disk.ts";
import { clusterFindings } from "./diagnose_cluster.ts";
import { peerFindings } from "./diagnose_peers.ts";
import { tracingFindings } from "./diagnose_tracing.ts";
import {
  adminFinding,
  clockFinding,
  machineFindings,
  portFindings,
  runningGateway,
  thisMachine,
} from "./diagnose_host.ts";

/** What `usher doctor` found out, as `--json` prints it. */
export interface Diagnosis {
  readonly file: string;
  /** What works but is most likely not meant, each with its place. */
  readonly warnings: readonly string[];
  readonly pools: readonly PoolDiagnosis[];
  /** What is local to this machine. */
  readonly machine: readonly Finding[];
  /** How many checks ended in each way. */
  readonly summary: Readonly<Record<FindingState, number>>;
}

/** How a configuration and its machine are looked over. */
export interface DoctorOptions extends DiagnoseOptions {
  /** Where the gateway that runs listens, as far as it says. */
  readonly held?: readonly ListenAddress[];
  /** Where its connections came from; `null` where it does not say. */
  readonly peers?: PeerFigures | null;
}

/** Looks over a configuration's upstreams and the machine that it is to run on. Each step has its deadline. Never throws. */
export async function diagnose(loaded: Loaded, options: DoctorOptions): Promise<Diagnosis> {
  const { config, file } = loaded;
  const [pools, machine] = await Promise.all([diagnosePools(config, options), machineOf(loaded, config, options)]);
  const all = [...pools.flatMap(findingsOf), ...machine, clockFinding(pools)];
  const counts = countsOf(all);
  return {
    file,
    warnings: loaded.warnings.map(formatLocated),
    pools,
    machine: [...machine, clockFinding(pools)],
    summary: { ...counts, warn: counts.warn + loaded.warnings.length },
  };
}

async function machineOf(
  loaded: Loaded,
  config: Config,
  { timeoutMs, held, peers }: DoctorOptions,
): Promise<Finding[]> {
  const running = await runningGateway(config, timeoutMs);
  return [
    ...await diagnoseDisk(config, { timeoutMs, isRunning: running !== null }),
    ...await tracingFindings(config.tracing, timeoutMs),
    ...await clusterFindings(config, timeoutMs),
    ...tlsFindings(config, Date.now()),
    ...machineFindings(config, thisMachine(loaded.file)),
    ...await portFindings(loaded, running, timeoutMs, held),
    adminFinding(config),
    ...peerFindings(peers ?? null, config.server.trustedProxies),
  ];
}

function findingsOf({ upstreams, keys }: PoolDiagnosis): Finding[] {
  return [...upstreams.flatMap(({ findings }) => findings), ...keys];
}
