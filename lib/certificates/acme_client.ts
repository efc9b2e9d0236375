import { certificateRequest } from "./issue.ts";
import { type KeyPair, newKeyPair } from "./key_pair.ts";

/** Sends the HTTP requests of the client, as `fetch` does. A redirect is an error. */
export type AcmeFetch = (url: string, init: RequestInit) => Promise<Response>;

/** External account binding: ties the account to one that the authority knows already (RFC 8555 §7.3.4). */
export interface ExternalAccount {
  readonly kid: string;
  /** In base64url: a secret. */
  readonly key: string;
}

/** Options of an {@linkcode AcmeClient}. */
export interface AcmeOptions {
  /** URL of the authority's directory. */
  readonly directory: string;
  readonly accountKey: KeyPair;
  /** The file of the account's key, named in messages that ask for its removal. */
  readonly accountFile: string;
  /** E-mail address for the authority's notices; `null` for none. */
  readonly email: string | null;
  readonly externalAccount: ExternalAccount | null;
  /** Challenge types in order of preference: the first that the authority offers is used. */
  readonly challenges: readonly ChallengeType[];
  readonly fetch: AcmeFetch;
  /** Waits; injectable for tests. */
  readonly pause: (ms: number) => Promise<void>;
}

/** Challenge types: over HTTP on port 80 (RFC 8555 §8.3), or in the TLS handshake on port 443 (RFC 8737). */
export const CHALLENGE_TYPES = ["http-01", "tls-alpn-01"] as const;

/** One of {@linkcode CHALLENGE_TYPES}. */
export type ChallengeType = typeof CHALLENGE_TYPES[number];

/** A challenge to answer. */
export interface Challenge {
  readonly type: ChallengeType;
  /** The name to validate. */
  readonly host: string;
  readonly token: string;
  /** The token and the account key's thumbprint (RFC 8555 §8.1). */
  readonly keyAuthorization: string;
}

/** Publishes the answer to a challenge, and removes it. */
export interface ChallengePublisher {
  /** When it settles, the challenge is answered. */
  present(challenge: Challenge): Promise<void>;
  withdraw(challenge: Challenge): Promise<void>;
}

/** The authority issued no certificate; the message says why and how to go on. */
export class AcmeError extends Error {
  override readonly name = "AcmeError";
  /** Such as `urn:ietf:params:acme:error:rateLimited`; empty where it named none. */
  readonly type: string;
  /** Milliseconds until the next attempt (`Retry-After`); `null` where not stated. */
  readonly retryAfterMs: number | null;

  constructor(message: string, { type = "", retryAfterMs = null, ...options }: Partial<AcmeError> & ErrorOptions = {}) {
    super(message, options);
    this.type = type;
    this.retryAfterMs = retryAfterMs;
  }
}

/** A certificate with its keys. */
export interface FetchedCertificate {
  /** The certificate and its intermediates, in PEM. */
  readonly cert: string;
  readonly keys: KeyPair;
}

interface Directory {
  readonly newNonce: string;
  readonly newAccount: string;
  readonly newOrder: string;
}

interface Answer {
  readonly value: Record<string, unknown>;
  readonly text: string;
  readonly location: string | null;
}

/** A challenge as the authority shows it. */
interface Offer {
  readonly type?: unknown;
  readonly url?: unknown;
  readonly token?: unknown;
}

const POLL_MS = 1_000;
/** Polls of one order or authorization at most. */
const MAX_POLLS = 60;
const MAX_ANSWER_BYTES = 256 * 1024;
/** The authority may call a nonce stale (RFC 8555 §6.5). */
const MAX_NONCE_TRIES = 5;

const encoder = new TextEncoder();

/** A client of a certificate authority (ACME, RFC 8555). */
export class AcmeClient {
  readonly #options: AcmeOptions;
  #directory: Directory | null = null;
  #account: string | null = null;
  #nonce: string | null = null;
  #thumbprint = "";
  #jwk: JsonWebKey = {};

  constructor(options: AcmeOptions) {
    this.#options = options;
  }

  /**
   * Fetches a certificate for names.
   *
   * @throws {AcmeError} where the authority refuses, does not answer, or answers malformed data
   */
  async fetchCertificate(names: readonly string[], publisher: ChallengePublisher): Promise<FetchedCertificate> {
    const { newOrder } = await this.#open();
    const order = await this.#post(newOrder, { identifiers: names.map((value) => ({ type: "dns", value })) });
    const orderUrl = order.location ?? wrong("an order without a place");
    for (const url of textsOf(order.value["authorizations"])) await this.#authorize(url, names, publisher);
    const keys = await newKeyPair();
    const csr = base64url(await certificateRequest(names, keys));
    await this.#post(textOf(order.value["finalize"]), { csr });
    const done = await this.#until(orderUrl, ["valid"]);
    const { text } = await this.#post(textOf(done["certificate"]), null);
    if (!text.includes("-----BEGIN CERTIFICATE-----")) wrong("no certificate where it said that one is");
    return { cert: text, keys };
  }

  async #open(): Promise<Directory> {
    if (this.#directory !== null && this.#account !== null) return this.#directory;
    const { directory, accountKey } = this.#options;
    const { value } = await this.#ask(directory, { method: "GET" });
    this.#directory = {
      newNonce: textOf(value["newNonce"]),
      newAccount: textOf(value["newAccount"]),
      newOrder: textOf(value["newOrder"]),
    };
    const { crv, kty, x, y } = await crypto.subtle.exportKey("jwk", accountKey.publicKey) as JsonWebKey;
    this.#jwk = { crv, kty, x, y };
    // In this order, by RFC 7638 §3.
    this.#thumbprint = base64url(await sha256(JSON.stringify(this.#jwk)));
    await this.#register(this.#directory.newAccount);
    return this.#directory;
  }

  /** Creates the account, or finds the one of this key. */
  async #register(url: string): Promise<void> {
    const { email, externalAccount } = this.#options;
    let account: Answer;
    try {
      account = await this.#post(url, {
        termsOfServiceAgreed: true,
        ...(email === null ? {} : { contact: [`mailto:${email}`] }),
        ...(externalAccount === null ? {} : { externalAccountBinding: await this.#binding(url, externalAccount) }),
      });
    } catch (error) {
      const isRevoked = error instanceof AcmeError && error.type.endsWith(":unauthorized") && externalAccount === null;
      throw isRevoked ? this.#revoked(error.message) : error;
    }
    this.#account = account.location ?? wrong("an account without a place");
    const { status } = account.value;
    if (status !== undefined && status !== "valid") {
      throw this.#revoked(`The account is ${String(status).slice(0, 40)} at the authority`);
    }
  }

  #revoked(what: string): AcmeError {
    return new AcmeError(`${what}: remove ${JSON.stringify(this.#options.accountFile)} to have another account made`);
  }

  async #binding(url: string, { kid, key }: ExternalAccount): Promise<unknown> {
    const protectedPart = base64url(encoder.encode(JSON.stringify({ alg: "HS256", kid, url })));
    const payload = base64url(encoder.encode(JSON.stringify(this.#jwk)));
    const hmac = { name: "HMAC", hash: "SHA-256" };
    const bytes = Uint8Array.fromBase64(key, { alphabet: "base64url" });
    const secret = await crypto.subtle.importKey("raw", bytes, hmac, false, ["sign"]);
    const signature = await crypto.subtle.sign("HMAC", secret, encoder.encode(`${protectedPart}.${payload}`));
    return { protected: protectedPart, payload, signature: base64url(new Uint8Array(signature)) };
  }

  async #authorize(url: string, names: readonly string[], publisher: ChallengePublisher): Promise<void> {
    const { value } = await this.#post(url, null);
    if (value["status"] === "valid") return;
    const identifier = textOf((value["identifier"] as { value?: unknown } | undefined)?.value);
    // Nothing is proven that was not asked for.
    const host = names.find((name) => name === identifier.toLowerCase()) ?? wrong("an authorization for another name");
    const { type, offer } = this.#chosen(value["challenges"], host);
    const token = textOf(offer.token);
    if (!/^[A-Za-z0-9_-]{16,512}$/.test(token)) wrong("a token that is none");
    const challenge = { type, host, token, keyAuthorization: `${token}.${this.#thumbprint}` };
    await publisher.present(challenge);
    try {
      await this.#post(textOf(offer.url), {});
      await this.#until(url, ["valid"]);
    } finally {
      await publisher.withdraw(challenge);
    }
  }

  /** The preferred one of the challenges that the authority offers for a host. */
  #chosen(offers: unknown, host: string): { type: ChallengeType; offer: Offer } {
    const offered = Array.isArray(offers) ? offers as Offer[] : [];
    for (const type of this.#options.challenges) {
      const offer = offered.find((one) => one.type === type);
      if (offer !== undefined) return { type, offer };
    }
    throw new AcmeError(`The authority offers no challenge for ${host} of ${this.#options.challenges.join(", ")}`);
  }

  /** Polls until an order or an authorization has one of the statuses. */
  async #until(url: string, statuses: readonly string[]): Promise<Record<string, unknown>> {
    for (let poll = 0; poll < MAX_POLLS; poll++) {
      const { value } = await this.#post(url, null);
      if (statuses.includes(String(value["status"]))) return value;
      if (value["status"] === "invalid") {
        throw new AcmeError(`The authority did not find what it looked for: ${whyOf(value)}`);
      }
      await this.#options.pause(POLL_MS);
    }
    throw new AcmeError("The authority has not decided in time");
  }

  /** Sends a signed request (RFC 8555 §6.2); without a payload it only asks. */
  async #post(url: string, payload: unknown): Promise<Answer> {
    for (let tries = 1;; tries++) {
      try {
        return await this.#ask(url, await this.#signed(url, payload));
      } catch (error) {
        const isStale = error instanceof AcmeError && error.type.endsWith(":badNonce");
        if (!isStale || tries === MAX_NONCE_TRIES) throw error;
      }
    }
  }

  async #signed(url: string, payload: unknown): Promise<RequestInit> {
    const nonce = this.#nonce ?? await this.#freshNonce();
    this.#nonce = null;
    const who = this.#account === null ? { jwk: this.#jwk } : { kid: this.#account };
    const protectedPart = base64url(encoder.encode(JSON.stringify({ alg: "ES256", nonce, url, ...who })));
    const body = payload === null ? "" : base64url(encoder.encode(JSON.stringify(payload)));
    const { privateKey } = this.#options.accountKey;
    const algorithm = { name: "ECDSA", hash: "SHA-256" };
    const signature = await crypto.subtle.sign(algorithm, privateKey, encoder.encode(`${protectedPart}.${body}`));
    return {
      method: "POST",
      headers: { "content-type": "application/jose+json" },
      body: JSON.stringify({
        protected: protectedPart,
        payload: body,
        signature: base64url(new Uint8Array(signature)),
      }),
    };
  }

  async #freshNonce(): Promise<string> {
    await this.#ask(this.#directory!.newNonce, { method: "HEAD" });
    return this.#nonce ?? wrong("no nonce");
  }

  async #ask(url: string, init: RequestInit): Promise<Answer> {
    // The directory and all URLs in it are HTTPS (RFC 8555 §6.1).
    if (!url.startsWith("https://") || !URL.canParse(url)) wrong("a place that is no https URL");
    let response: Response;
    let text: string;
    try {
      response = await this.#options.fetch(url, { ...init, redirect: "error" });
      text = await readAnswer(response);
    } catch (error) {
      throw new AcmeError(`The authority cannot be asked at ${new URL(url).origin}: ${reasonOf(error)}`, {
        cause: error,
      });
    }
    this.#nonce = response.headers.get("replay-nonce") ?? this.#nonce;
    const value = valueOf(text);
    if (!response.ok) throw refusal(response, value);
    return { value, text, location: response.headers.get("location") };
  }
}

/** The message with those of its causes: `fetch` has the reason in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message} (${reasonOf(error.cause)})`;
}

async function readAnswer(response: Response): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_ANSWER_BYTES) throw new Error(`the answer has over ${MAX_ANSWER_BYTES} bytes`);
  }
  return text;
}

function refusal({ status, headers }: Response, problem: Record<string, unknown>): AcmeError {
  const seconds = Number(headers.get("retry-after") ?? NaN);
  const detail = typeof problem["detail"] === "string" ? problem["detail"].slice(0, 300) : `status ${status}`;
  return new AcmeError(`The authority refuses: ${detail}`, {
    type: typeof problem["type"] === "string" ? problem["type"] : "",
    retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : null,
  });
}

/** The failure that an authorization or an order states. */
function whyOf(value: Record<string, unknown>): string {
  const challenges = Array.isArray(value["challenges"]) ? value["challenges"] as Record<string, unknown>[] : [];
  const errors = [value, ...challenges].map(({ error }) => (error as { detail?: unknown } | undefined)?.detail);
  const detail = errors.find((one) => typeof one === "string");
  return typeof detail === "string" ? detail.slice(0, 300) : "it does not say why";
}

function valueOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
  } catch {
    return {};
  }
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(textOf) : wrong("no list where one is due");
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : wrong("no text where one is due");
}

function wrong(what: string): never {
  throw new AcmeError(`The authority answers what cannot be understood: ${what}`);
}

async function sha256(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text)));
}

function base64url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}
