import { X509Certificate } from "node:crypto";
import type { ChallengeType } from "../../lib/certificates/acme_client.ts";
import { issueLeaf } from "../../lib/certificates/issue.ts";
import { newKeyPair } from "../../lib/certificates/key_pair.ts";
import { fetchHandler } from "../../lib/server/fetch_adapter.ts";
import { TlsFront } from "../../lib/server/tls_identity.ts";
import { DAY_MS, madeAuthority } from "../certificates/made.ts";
import { serving } from "../server/serving.ts";

/** How a server of a test misbehaves from now on. */
export interface AcmeFaults {
  /** Every answer is this. */
  answer: (() => Response) | null;
  /** So many further nonces are called stale. */
  staleNonces: number;
  accountStatus: string;
  /** The challenges that it offers. */
  offers: readonly ChallengeType[];
  /** Every authorization is for this name. */
  identifier: string | null;
  /** It never looks at challenges. */
  isUndecided: boolean;
  /** What it gives in place of the certificate that was asked for. */
  cert: (() => Promise<string> | string) | null;
}

/** An authority of a test: it gives certificates to whoever answers its challenges (RFC 8555), over HTTPS. */
export interface AcmeServer extends AsyncDisposable {
  readonly directory: string;
  /** Its own authority in PEM. */
  readonly ca: string;
  readonly faults: AcmeFaults;
  /** Challenges that were looked at. */
  readonly looked: ChallengeType[];
  /** Certificates given. */
  readonly issued: { readonly names: readonly string[] }[];
  /** Keys of accounts that were made. */
  readonly accounts: string[];
}

interface Signed {
  readonly header: { nonce: string; url: string; kid?: string; jwk?: JsonWebKey };
  readonly payload: Record<string, unknown>;
}

/** Where it looks for answers to its challenges. */
export interface Reach {
  /** In the place of port 80 of a host. */
  readonly http: string;
  /** What a host shows in a handshake on port 443, in PEM. */
  readonly shown: (host: string) => string | undefined;
}

/** Starts one. */
export async function startAcmeServer(
  reach: Reach,
  lifeMs = 90 * DAY_MS,
): Promise<AcmeServer> {
  const authority = await madeAuthority();
  const signer = { name: "An issuer of a test", keys: await newKeyPair() };
  const front = new TlsFront({ identities: [await authority.leaf(["127.0.0.1"])], minVersion: "1.2", http2: true });
  const state = { nonces: new Set<string>(), keys: new Map<string, CryptoKey>(), jwks: new Map<string, JsonWebKey>() };
  const orders: { names: string[]; cert: string | null; authorized: Set<string>; failed: string | null }[] = [];
  const server = {
    faults: {
      answer: null,
      staleNonces: 0,
      accountStatus: "valid",
      cert: null,
      identifier: null,
      isUndecided: false,
      offers: ["http-01", "tls-alpn-01"],
    } as AcmeFaults,
  };
  const looked: ChallengeType[] = [];
  const issued: { names: readonly string[] }[] = [];
  const accounts: string[] = [];
  const origin = () => `https://${running.address}`;

  const handle = async (request: Request): Promise<Response> => {
    const { faults } = server;
    if (faults.answer !== null) return faults.answer();
    const { pathname } = new URL(request.url);
    const [, kind, ...rest] = pathname.split("/");
    if (kind === "dir") {
      return Response.json({
        newNonce: `${origin()}/nonce`,
        newAccount: `${origin()}/account`,
        newOrder: `${origin()}/order`,
      });
    }
    if (kind === "nonce") return reply(null);
    const signed = await verified(request, state);
    if (typeof signed === "string") return problem("malformed", signed);
    if (!state.nonces.delete(signed.header.nonce) || faults.staleNonces-- > 0) return problem("badNonce", "stale");
    const order = orders[Number(rest[0])];
    if (kind === "account") {
      const url = `${origin()}/accounts/${accounts.length}`;
      accounts.push(JSON.stringify(signed.header.jwk));
      state.keys.set(url, await keyOf(signed.header.jwk!));
      state.jwks.set(url, signed.header.jwk!);
      return reply({ status: faults.accountStatus }, url);
    }
    if (kind === "order" && rest.length === 0) {
      const names = (signed.payload["identifiers"] as { value: string }[]).map(({ value }) => value);
      orders.push({ names, cert: null, authorized: new Set(), failed: null });
      return reply(shown(orders.length - 1), `${origin()}/order/${orders.length - 1}`);
    }
    if (order === undefined) return problem("malformed", `nothing at ${pathname}`);
    if (kind === "order") return reply(shown(Number(rest[0])));
    if (kind === "authorization") return reply(authorization(Number(rest[0]), rest[1]!));
    if (kind === "challenge") {
      const [index, host, type] = [Number(rest[0]), rest[1]!, rest[2] as ChallengeType];
      looked.push(type);
      if (!faults.isUndecided) await look({ index, host, type }, state.jwks.get(signed.header.kid!)!);
      return reply({});
    }
    if (kind === "finalize") {
      order.cert = await issue(String(signed.payload["csr"]), order.names);
      return reply(shown(Number(rest[0])));
    }
    return new Response(await faults.cert?.() ?? order.cert, { headers: headers() });
  };

  const headers = (location?: string): Headers => {
    const nonce = crypto.randomUUID();
    state.nonces.add(nonce);
    return new Headers({ "replay-nonce": nonce, ...(location === undefined ? {} : { location }) });
  };
  const reply = (value: unknown, location?: string) => Response.json(value, { headers: headers(location) });
  const problem = (type: string, detail: string) =>
    Response.json({ type: `urn:ietf:params:acme:error:${type}`, detail }, { status: 400, headers: headers() });
  const shown = (index: number) => {
    const { names, cert } = orders[index]!;
    return {
      status: cert === null ? "pending" : "valid",
      authorizations: names.map((name) => `${origin()}/authorization/${index}/${name}`),
      finalize: `${origin()}/finalize/${index}`,
      certificate: `${origin()}/certificate/${index}`,
    };
  };
  const authorization = (index: number, host: string) => {
    const { authorized, failed } = orders[index]!;
    const status = authorized.has(host) ? "valid" : failed === null ? "pending" : "invalid";
    const error = failed === null ? undefined : { detail: failed };
    const offers = server.faults.offers.map((type) => {
      return { type, url: `${origin()}/challenge/${index}/${host}/${type}`, token: tokenOf(index, host), error };
    });
    const value = server.faults.identifier ?? host;
    return { status, identifier: { type: "dns", value }, challenges: [{ type: "dns-01" }, ...offers] };
  };
  const look = async (wanted: { index: number; host: string; type: ChallengeType }, jwk: JsonWebKey) => {
    const { index, host, type } = wanted;
    const token = tokenOf(index, host);
    const thumbprint = await digest(JSON.stringify({ crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y }));
    const keyAuthorization = `${token}.${thumbprint}`;
    const problem = type === "http-01"
      ? await lookOverHttp(`${reach.http}/.well-known/acme-challenge/${token}`, keyAuthorization)
      : await lookAt(reach.shown(host), host, keyAuthorization);
    if (problem === null) orders[index]!.authorized.add(host);
    else orders[index]!.failed = `${host} ${problem}`;
  };
  const issue = async (csr: string, names: readonly string[]) => {
    const publicKey = await publicKeyOf(bytesOf(csr));
    const nowMs = Date.now();
    issued.push({ names });
    const keys = { publicKey, privateKey: signer.keys.privateKey };
    return await issueLeaf({ names, keys, authority: signer, nowMs, notAfterMs: nowMs + lifeMs });
  };

  const running = await serving(fetchHandler(handle), { tls: front });
  return {
    directory: `${origin()}/dir`,
    ca: authority.ca,
    faults: server.faults,
    looked,
    issued,
    accounts,
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

/** What is wrong with the answer to `http-01` (RFC 8555 §8.3); `null` where nothing is. */
async function lookOverHttp(url: string, keyAuthorization: string): Promise<string | null> {
  const response = await fetch(url, { redirect: "manual" });
  return await response.text() === keyAuthorization ? null : `answered ${response.status}`;
}

/** What is wrong with the answer to `tls-alpn-01` (RFC 8737 §3); `null` where nothing is. */
async function lookAt(cert: string | undefined, host: string, keyAuthorization: string): Promise<string | null> {
  if (cert === undefined) return "refused the handshake";
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(keyAuthorization));
  // The identifier of the extension, that it is critical, and an octet string in an octet string.
  const extension = `06082b0601050507011f0101ff04220420${new Uint8Array(digest).toHex()}`;
  const { raw, subjectAltName } = new X509Certificate(cert);
  if (subjectAltName !== `DNS:${host}`) return `showed ${subjectAltName}`;
  return new Uint8Array(raw).toHex().includes(extension) ? null : "showed another key authorization";
}

function tokenOf(index: number, host: string): string {
  return `token-of-order-${index}-${host.replaceAll(".", "_")}`;
}

/** A request whose signature is right, or what is wrong with it. */
async function verified(request: Request, { keys }: { keys: Map<string, CryptoKey> }): Promise<Signed | string> {
  const { protected: head, payload, signature } = await request.json();
  const header = JSON.parse(textOf(head));
  const key = header.jwk === undefined ? keys.get(header.kid) : await keyOf(header.jwk);
  if (key === undefined) return "unknown account";
  const isRight = await crypto.subtle.verify(
    { name: "ECDSA", hash: "SHA-256" },
    key,
    bytesOf(signature),
    new TextEncoder().encode(`${head}.${payload}`),
  );
  if (!isRight || header.alg !== "ES256") return "wrong signature";
  if (new URL(header.url).pathname !== new URL(request.url).pathname) return "signed for another URL";
  return { header, payload: payload === "" ? {} : JSON.parse(textOf(payload)) };
}

/** The key in a request for a certificate, which the test needs no more of. */
async function publicKeyOf(csr: Uint8Array): Promise<CryptoKey> {
  const start = csr.toHex().indexOf("3059301306072a8648ce3d020106082a8648ce3d030107034200") / 2;
  const info = csr.slice(start, start + 91);
  return await crypto.subtle.importKey("spki", info as Uint8Array<ArrayBuffer>, CURVE, true, ["verify"]);
}

const CURVE = { name: "ECDSA", namedCurve: "P-256" };

async function keyOf(jwk: JsonWebKey): Promise<CryptoKey> {
  return await crypto.subtle.importKey("jwk", jwk, CURVE, true, ["verify"]);
}

async function digest(text: string): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromBase64(text, { alphabet: "base64url" });
}

function textOf(text: string): string {
  return new TextDecoder().decode(bytesOf(text));
}
