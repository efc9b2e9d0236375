import { messageOf } from "../../errors.ts";
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import {
  AcmeClient,
  AcmeError,
  type Challenge,
  type ChallengePublisher,
  type ChallengeType,
} from "../../certificates/acme_client.ts";
import { issueChallenge, issueLeaf } from "../../certificates/issue.ts";
import { type KeyPair, keyPairOf, keyPem, newKeyPair } from "../../certificates/key_pair.ts";
import { pause } from "../../clock.ts";
import { readCertificate } from "../../config/certificates.ts";
import type { Config } from "../../config/config.ts";
import { fileMode, readText } from "../../config/yaml/read_text.ts";
import type { CertificateConfig } from "../../config/certificates.ts";
import type { AcmeConfig } from "../../config/tls.ts";
import type { Logger } from "../../logging/logger.ts";
import { type Challenges, NO_CHALLENGES } from "../../server/acme_challenge.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const LOOK_EVERY_MS = MINUTE_MS;
/** After one failure, two, and so on: authorities count them, and let a host fail five times an hour. */
const PAUSES_MS = [MINUTE_MS, 15 * MINUTE_MS, 60 * MINUTE_MS, 6 * 60 * MINUTE_MS, DAY_MS];
/** An authority cannot have itself asked less seldom than that. */
const MAX_PAUSE_MS = 7 * DAY_MS;
/** After one was fetched, with any time left. */
const REST_MS = 60 * MINUTE_MS;
/** A certificate is fetched anew once so much of its time is left. */
const RENEWED_SHARE = 1 / 3;
/** An authority that does not answer is given up on. */
const ANSWER_TIMEOUT_MS = 30_000;
/** A certificate that has not come by then is given up, so that others have their turn: an authority may keep one waiting for ever. */
const MAX_FETCH_MINUTES = 30;
/** Used until there is one. */
const PLACEHOLDER_MS = 365 * DAY_MS;

/** What the keeper is made of. */
export interface AcmeKeeperOptions {
  /** A folder of its own below `data_dir`. */
  readonly directory: string;
  readonly logger: Logger;
  readonly now?: () => number;
  readonly pause?: (ms: number) => Promise<void>;
}

/** What it needs of the gateway that runs. */
export interface AcmeLink {
  readonly config: Config;
  /** Has every worker answer these challenges, and no others. */
  setChallenges(challenges: Challenges): Promise<void>;
}

/** How long an authority is left alone. */
interface Pause {
  /** Since the last certificate. */
  readonly failures: number;
  readonly untilMs: number;
}

/**
 * Fetches certificates from authorities and renews them. They are kept in files, so that the keeper of certificates brings them into
 * force; until there is one, a certificate that no client trusts is used. A failure here changes nothing of what is served.
 */
export class AcmeKeeper implements ChallengePublisher {
  readonly #options: AcmeKeeperOptions;
  readonly #now: () => number;
  readonly #pauses = new Map<string, Pause>();
  /** Files are read and written one after the other: a certificate and its key change together. */
  #turn: Promise<unknown> = Promise.resolve();
  #challenges = NO_CHALLENGES;
  #link: AcmeLink | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(options: AcmeKeeperOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** The configuration with the certificates that have been fetched for it, or those that are used until then. */
  async complete(config: Config): Promise<Config> {
    if (config.listeners.every(({ tls }) => tls?.acme == null)) return config;
    const listeners = await Promise.all(config.listeners.map(async (listener) => {
      const { tls, name } = listener;
      if (tls?.acme == null) return listener;
      const fetched = await this.#certificateOf(tls.acme, `listener ${name}, tls.acme`);
      return fetched === null
        ? listener
        : { ...listener, tls: { ...tls, certificates: [...tls.certificates, fetched] } };
    }));
    return { ...config, listeners };
  }

  /** Serves this gateway from now on. */
  attach(link: AcmeLink): void {
    this.#link = link;
  }

  /** Fetches what is missing from now on, and renews. */
  begin(): void {
    const again = async () => {
      await this.tend();
      if (!this.#isClosed) this.#timer = setTimeout(again, LOOK_EVERY_MS);
    };
    this.#timer = setTimeout(again, 0);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** Fetches what is due, one after the other; never rejects. */
  async tend(): Promise<void> {
    const all = this.#link?.config.listeners.flatMap(({ tls }) => tls?.acme ?? []) ?? [];
    for (const [name, acme] of new Map(await Promise.all(all.map(async (one) => [await nameOf(one), one] as const)))) {
      if (this.#isClosed) return;
      if ((this.#pauses.get(name)?.untilMs ?? 0) > this.#now() || !await this.#isDue(name)) continue;
      await this.#fetch(name, acme);
    }
  }

  async present({ type, host, token, keyAuthorization }: Challenge): Promise<void> {
    const { texts, certificates } = this.#challenges;
    if (type === "http-01") {
      return await this.#answer({ texts: new Map([...texts, [token, keyAuthorization]]), certificates });
    }
    const keys = await newKeyPair();
    const cert = await issueChallenge({ name: host, keyAuthorization, keys, nowMs: this.#now() });
    const shown = { cert, key: await keyPem(keys) };
    await this.#answer({ texts, certificates: new Map([...certificates, [host, shown]]) });
  }

  async withdraw({ host, token }: Challenge): Promise<void> {
    const { texts, certificates } = this.#challenges;
    await this.#answer({ texts: without(texts, token), certificates: without(certificates, host) });
  }

  async #answer(challenges: Challenges): Promise<void> {
    this.#challenges = challenges;
    await this.#link?.setChallenges(challenges);
  }

  async #fetch(name: string, acme: AcmeConfig): Promise<void> {
    const { logger, pause: wait = pause } = this.#options;
    const hosts = acme.hosts.join(",");
    const untilMs = this.#now() + MAX_FETCH_MINUTES * MINUTE_MS;
    const http = Deno.createHttpClient({ caCerts: acme.ca === null ? [] : [acme.ca] });
    try {
      const client = new AcmeClient({
        ...acme,
        ...await this.#account(acme),
        challenges: challengesFor(acme, this.#link?.config),
        pause: wait,
        fetch: async (url, init) => {
          if (this.#now() > untilMs) throw new Error(`it has taken over ${MAX_FETCH_MINUTES} minutes`);
          return await fetch(
            url,
            { ...init, client: http, signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) } as RequestInit,
          );
        },
      });
      const { cert, keys } = await client.fetchCertificate(acme.hosts, this);
      const key = await keyPem(keys);
      await this.#check(acme, cert, key);
      await this.#inTurn(() => this.#write(name, cert, key));
      this.#pauses.set(name, { failures: 0, untilMs: this.#now() + REST_MS });
      logger.info("A certificate was fetched", { hosts, directory: acme.directory });
    } catch (error) {
      const failures = (this.#pauses.get(name)?.failures ?? 0) + 1;
      const asked = error instanceof AcmeError ? Math.min(error.retryAfterMs ?? 0, MAX_PAUSE_MS) : 0;
      const pauseMs = Math.max(asked, PAUSES_MS[Math.min(failures, PAUSES_MS.length) - 1]!);
      this.#pauses.set(name, { failures, untilMs: this.#now() + pauseMs });
      logger.error("No certificate was fetched: what is there stays in use", {
        hosts,
        problem: messageOf(error),
        next_try_in_ms: pauseMs,
      });
    } finally {
      http.close();
    }
  }

  /** What an authority gave is used if it can be: what is there may still be good. */
  async #check({ hosts }: AcmeConfig, cert: string, key: string): Promise<void> {
    const files = { certFile: "cert", keyFile: "key", place: "" };
    const result = await readCertificate(files, {
      readTextFile: (file) => Promise.resolve(file === "cert" ? cert : key),
      now: this.#now,
    });
    const names = result.ok ? result.certificate.names : [];
    const missing = hosts.filter((host) => !names.includes(host));
    const problem = !result.ok
      ? `expected ${result.problems[0]?.expected}`
      : missing.length > 0
      ? `it does not name ${missing.join(", ")}`
      : result.certificate.notAfterMs <= this.#now()
      ? "it has expired: is this machine's clock right?"
      : null;
    if (problem !== null) throw new AcmeError(`The authority gave a certificate that cannot be used: ${problem}`);
  }

  /** Whether a certificate is missing, temporary, or about to end. */
  async #isDue(name: string): Promise<boolean> {
    try {
      const leaf = new X509Certificate(await readText(this.#path(name, "pem")));
      if (leaf.issuer === leaf.subject) return true;
      const [from, to] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)];
      return to - this.#now() < (to - from) * RENEWED_SHARE;
    } catch {
      return true;
    }
  }

  #certificateOf(acme: AcmeConfig, place: string): Promise<CertificateConfig | null> {
    return this.#inTurn(async () => {
      const name = await nameOf(acme);
      const files = { certFile: this.#path(name, "pem"), keyFile: this.#path(name, "key"), place };
      const reading = { readTextFile: readText, fileMode, now: this.#now };
      try {
        await this.#close(files.keyFile);
        const known = await readCertificate(files, reading);
        if (known.ok) return known.certificate;
        await this.#setAside(files);
        const keys = await newKeyPair();
        const nowMs = this.#now();
        const standIn = await issueLeaf({ names: acme.hosts, keys, nowMs, notAfterMs: nowMs + PLACEHOLDER_MS });
        await this.#write(name, standIn, await keyPem(keys));
        const made = await readCertificate(files, reading);
        return made.ok ? made.certificate : null;
      } catch (error) {
        const problem = messageOf(error);
        this.#options.logger.error("Certificates cannot be kept", { directory: this.#options.directory, problem });
        return null;
      }
    });
  }

  /** A key that was copied here, or taken from a backup, may be open to others. */
  async #close(keyFile: string): Promise<void> {
    try {
      await Deno.chmod(keyFile, 0o600);
    } catch {
      // It is not there, or the system has no such thing; reading it says what is wrong.
    }
  }

  /** Keeps what cannot be used: nothing takes the place of a file that somebody may want back. */
  async #setAside({ certFile, keyFile }: { certFile: string; keyFile: string }): Promise<void> {
    for (const file of [certFile, keyFile]) {
      try {
        await Deno.rename(file, `${file}.unusable`);
        this.#options.logger.error("A fetched certificate cannot be used: it is kept, and fetched anew", {
          file: `${file}.unusable`,
        });
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** The key of an account, with its file: one for each authority, and for each account that it is tied to. */
  async #account({ directory, externalAccount }: AcmeConfig): Promise<{ accountKey: KeyPair; accountFile: string }> {
    const path = this.#path(`account-${await shortHash(`${directory} ${externalAccount?.kid ?? ""}`)}`, "key");
    await this.#close(path);
    try {
      return { accountKey: await keyPairOf(await readText(path)), accountFile: path };
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      const keys = await newKeyPair();
      await this.#replace(path, await keyPem(keys));
      return { accountKey: keys, accountFile: path };
    }
  }

  async #write(name: string, cert: string, key: string): Promise<void> {
    await this.#replace(this.#path(name, "key"), key);
    await this.#replace(this.#path(name, "pem"), cert);
  }

  /** A file is there as a whole, or as it was. */
  async #replace(path: string, text: string): Promise<void> {
    await Deno.mkdir(this.#options.directory, { recursive: true, mode: 0o700 });
    await Deno.writeTextFile(`${path}.new`, text, { mode: 0o600 });
    await Deno.rename(`${path}.new`, path);
  }

  #path(name: string, ending: "pem" | "key"): string {
    return join(this.#options.directory, `${name}.${ending}`);
  }
}

function without<T>(map: ReadonlyMap<string, T>, key: string): Map<string, T> {
  return new Map([...map].filter(([known]) => known !== key));
}

/** The one that is configured; else the one whose port is listened on, and the other where the authority does not offer that. */
function challengesFor({ challenge }: AcmeConfig, config: Config | undefined): readonly ChallengeType[] {
  if (challenge !== null) return [challenge];
  const listens = (port: number, isTls: boolean) =>
    config?.listeners.some(({ listen, tls }) => (tls !== null) === isTls && "port" in listen && listen.port === port);
  return !listens(80, false) && listens(443, true) ? ["tls-alpn-01", "http-01"] : ["http-01", "tls-alpn-01"];
}

/** Other hosts, or another authority, make another certificate. */
async function nameOf({ hosts, directory }: AcmeConfig): Promise<string> {
  return `${hosts[0]!.replaceAll(/[^a-z0-9.-]/g, "_")}-${await shortHash(`${directory} ${hosts.join(" ")}`)}`;
}

async function shortHash(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(digest, 0, 6).toHex();
}
