import { type CertificateReading, isWorse, lifetimeText, readCertificate, SOON_MS } from "../../config/certificates.ts";
import { formatListenAddress } from "../../config/addresses.ts";
import type { Config } from "../../config/config.ts";
import { fileMode, readText } from "../../config/yaml/read_text.ts";
import type { CertificateConfig } from "../../config/certificates.ts";
import type { TlsConfig } from "../../config/tls.ts";
import type { Logger } from "../../logging/logger.ts";
import { gauge, type Metric } from "../../metrics/exposition.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
/** How often the files are looked at. Not by a watch of the system: that misses links that are swapped, and network drives. */
const LOOK_EVERY_MS = 2_000;

/** A certificate in use, with the addresses that it is shown at, or the upstreams that it is shown to. */
export interface UsedCertificate {
  readonly certificate: CertificateConfig;
  readonly addresses: readonly string[];
}

/** What the keeper is made of. */
export interface CertificateKeeperOptions {
  /** The configuration in force. */
  readonly config: () => Config;
  /** Does something while nobody else changes the configuration. */
  readonly inTurn: (work: () => Promise<void>) => Promise<void>;
  /** Brings a configuration into force; answers why not, or `null`. */
  readonly bring: (config: Config) => Promise<string | null>;
  readonly logger: Logger;
  readonly now?: () => number;
}

/** Sees to certificates whose files change: once they lie still, they are exchanged. Says daily which of them are about to end. */
export class CertificateKeeper {
  readonly #options: CertificateKeeperOptions;
  readonly #now: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;
  #config: Config | null = null;
  /** Of the files as they were read last, and at the last look. */
  #readStamp = "";
  #lastStamp = "";
  #warnedAtMs = -Infinity;

  constructor(options: CertificateKeeperOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    // What was loaded has been warned of then.
    this.#warnedAtMs = this.#now();
  }

  /** Looks at the files from now on. */
  begin(): void {
    this.#timer = setTimeout(async () => {
      await this.look();
      if (!this.#isClosed) this.begin();
    }, LOOK_EVERY_MS);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** Looks at the files once; never rejects. Two looks that find them the same make a change: they may be being written. */
  async look(): Promise<void> {
    const config = this.#options.config();
    if (config !== this.#config) {
      this.#config = config;
      this.#readStamp = "";
    }
    const used = usedCertificates(config);
    if (used.length === 0) return;
    this.#warn(used);
    const stamp = await this.#stampOf(used);
    const isStill = stamp === this.#lastStamp;
    this.#lastStamp = stamp;
    if (!isStill || stamp === this.#readStamp) return;
    this.#readStamp = stamp;
    await this.#options.inTurn(() => this.#exchange());
    // What came of it is the configuration that these files have been read for.
    this.#config = this.#options.config();
  }

  /** Reads the files again, and nothing else of the configuration. */
  async #exchange(): Promise<void> {
    const { config, bring, logger } = this.#options;
    const renewed = await renewCertificates(config(), { readTextFile: readText, fileMode, now: this.#now });
    for (const problem of renewed.problems) logger.error(problem);
    if (renewed.config === null) return;
    const problem = await bring(renewed.config);
    if (problem === null) logger.info("Certificates exchanged");
    else logger.error("Certificates not exchanged: those before stay in use", { problem });
  }

  async #stampOf(used: readonly UsedCertificate[]): Promise<string> {
    const files = used.flatMap(({ certificate: { certFile, keyFile } }) => [certFile, keyFile]);
    const stamps = await Promise.all(files.map((file) => stampOf(file).catch(() => "none")));
    return stamps.join();
  }

  #warn(used: readonly UsedCertificate[]): void {
    const nowMs = this.#now();
    if (nowMs - this.#warnedAtMs < DAY_MS) return;
    this.#warnedAtMs = nowMs;
    for (const { certificate: { certFile, notAfterMs, place } } of used) {
      if (notAfterMs - nowMs >= SOON_MS) continue;
      this.#options.logger.warn(`${place}: ${JSON.stringify(certFile)}: ${lifetimeText(notAfterMs, nowMs)}`);
    }
  }
}

/** Tells a file that was changed, or whose permissions were, or another one in its place. */
async function stampOf(path: string): Promise<string> {
  const { mtime, ctime, mode, size, ino } = await Deno.stat(path);
  return `${mtime?.getTime()} ${ctime?.getTime()} ${mode} ${size} ${ino}`;
}

/** The certificates of a configuration, each once. */
export function usedCertificates({ admin, listeners, pools }: Config): UsedCertificate[] {
  const used = new Map<string, { certificate: CertificateConfig; addresses: Set<string> }>();
  const note = (tls: Pick<TlsConfig, "certificates"> | null, address: string) => {
    for (const certificate of tls?.certificates ?? []) {
      const key = `${certificate.certFile}\0${certificate.keyFile}`;
      const known = used.get(key) ?? { certificate, addresses: new Set<string>() };
      known.addresses.add(address);
      used.set(key, known);
    }
  };
  for (const { tls, listen } of listeners) note(tls, formatListenAddress(listen));
  note(admin.tls, formatListenAddress(admin.listen));
  for (const { clientCertificate, id } of pools.flatMap(({ upstreams }) => upstreams)) {
    if (clientCertificate !== null) note({ certificates: [clientCertificate] }, id);
  }
  return [...used.values()].map(({ certificate, addresses }) => ({ certificate, addresses: [...addresses] }));
}

/** What came of reading the certificates of a configuration again. */
export interface Renewed {
  /** With what has changed; `null` where nothing has. */
  readonly config: Config | null;
  /** Why a file was not taken: the certificate that is in use stays. */
  readonly problems: readonly string[];
}

/** Reads the certificates of a configuration again. One that cannot be used takes no other's place. */
export async function renewCertificates(config: Config, reading: CertificateReading): Promise<Renewed> {
  const problems: string[] = [];
  const changed = new Map<CertificateConfig, CertificateConfig>();
  const nowMs = reading.now?.() ?? Date.now();
  for (const { certificate } of usedCertificates(config)) {
    const { certFile, keyFile, place } = certificate;
    const result = await readCertificate({ certFile, keyFile, place }, reading);
    if (!result.ok) {
      for (const { file, expected } of result.problems) {
        problems.push(`${place}: found ${JSON.stringify(file === "cert" ? certFile : keyFile)} expected ${expected}`);
      }
    } else if (isWorse(result.certificate, certificate, nowMs)) {
      problems.push(worseText(result.certificate, nowMs));
    } else if (result.certificate.cert !== certificate.cert || result.certificate.key !== certificate.key) {
      changed.set(certificate, result.certificate);
    }
  }
  return { config: changed.size === 0 ? null : withCertificates(config, changed), problems };
}

/** Which certificates of `next` have expired, where `before` has good ones in their place. */
export function worseCertificates(before: Config, next: Config, nowMs: number): string[] {
  const good = new Map(usedCertificates(before).map(({ certificate }) => [certificate.certFile, certificate]));
  return usedCertificates(next).flatMap(({ certificate }) =>
    isWorse(certificate, good.get(certificate.certFile), nowMs) ? [worseText(certificate, nowMs)] : []
  );
}

function worseText({ place, certFile, notAfterMs }: CertificateConfig, nowMs: number): string {
  return `${place}: found ${JSON.stringify(certFile)} expected a certificate that is valid, but ` +
    `${lifetimeText(notAfterMs, nowMs)}; the one before it stays in use`;
}

function withCertificates(config: Config, changed: ReadonlyMap<CertificateConfig, CertificateConfig>): Config {
  // The same pair of files may stand at several places.
  const byFiles = new Map([...changed.values()].map((one) => [`${one.certFile}\0${one.keyFile}`, one]));
  const renewedOne = (one: CertificateConfig): CertificateConfig => {
    const next = byFiles.get(`${one.certFile}\0${one.keyFile}`);
    return next === undefined ? one : { ...next, place: one.place };
  };
  const renewed = (tls: TlsConfig | null) => tls && { ...tls, certificates: tls.certificates.map(renewedOne) };
  return {
    ...config,
    admin: { ...config.admin, tls: renewed(config.admin.tls) },
    listeners: config.listeners.map((listener) => ({ ...listener, tls: renewed(listener.tls) })),
    pools: config.pools.map((pool) => ({
      ...pool,
      upstreams: pool.upstreams.map((upstream) => ({
        ...upstream,
        clientCertificate: upstream.clientCertificate && renewedOne(upstream.clientCertificate),
      })),
    })),
  };
}

/** A certificate's time as `/status` shows it. */
export function certificateStatus(config: Config, nowMs: number): unknown[] {
  return usedCertificates(config).map(({ certificate: { certFile, names, notAfterMs }, addresses }) => ({
    file: certFile,
    names,
    addresses,
    expires_at: new Date(notAfterMs).toISOString(),
    days_left: daysLeft(notAfterMs, nowMs),
  }));
}

/** When the certificates end, for `/metrics`; nothing where there are none. */
export function certificateMetrics(config: Config): Metric[] {
  const values = usedCertificates(config).map(({ certificate: { certFile, notAfterMs } }) => ({
    labels: { file: certFile },
    value: notAfterMs / 1000,
  }));
  const name = "usher_tls_certificate_expiry_timestamp_seconds";
  return values.length === 0 ? [] : [gauge(name, "When the certificate expires, since the Unix epoch", values)];
}

function daysLeft(notAfterMs: number, nowMs: number): number {
  return Math.round((notAfterMs - nowMs) / DAY_MS * 100) / 100;
}
