import https from "node:https";
import type { TLSSocket } from "node:tls";
import { X509Certificate } from "node:crypto";
import type { AdminConfig } from "../config/admin.ts";

/** What of a response commands read. */
export interface AdminResponse {
  readonly ok: boolean;
  readonly status: number;
  readonly text: string;
}

/** A request to the admin surface. */
export interface AdminRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly timeoutMs: number;
  /**
   * File of the certificate that the gateway has to show, in PEM, its own first; `null` where the system's authorities decide. A
   * gateway on this machine is asked for by its address, which its certificate may not name, but its files are known.
   */
  readonly certificateFile: string | null;
}

/** File of the certificate that the admin address of a gateway shows to clients that ask for it by its address; `null` for plain HTTP. */
export function adminCertificateFile({ tls }: AdminConfig): string | null {
  return tls?.certificates[0]?.certFile ?? null;
}

/**
 * Asks the admin surface.
 *
 * @throws {Error} when nobody answers, or shows another certificate
 */
export async function adminFetch(url: string, request: AdminRequest): Promise<AdminResponse> {
  const { method, headers, body, timeoutMs, certificateFile } = request;
  if (certificateFile !== null && url.startsWith("https:")) {
    return await pinnedFetch(url, { ...request, certificate: await Deno.readTextFile(certificateFile) });
  }
  const response = await fetch(url, {
    method,
    headers,
    body,
    redirect: "manual",
    signal: AbortSignal.timeout(timeoutMs),
  });
  return { ok: response.ok, status: response.status, text: await response.text() };
}

function pinnedFetch(url: string, request: AdminRequest & { readonly certificate: string }): Promise<AdminResponse> {
  const { method, headers, body, timeoutMs, certificate } = request;
  const expected = new X509Certificate(certificate).fingerprint256;
  const { promise, resolve, reject } = Promise.withResolvers<AdminResponse>();
  // The certificate itself decides, below; with `ca` the runtime does not ask for the system's authorities.
  const tls = { rejectUnauthorized: false, ca: certificate };
  const asked = https.request(url, { method, headers, ...tls, agent: false, timeout: timeoutMs });
  asked.on("timeout", () => asked.destroy(new Error("it does not answer in time")));
  asked.on("error", reject);
  asked.on("response", (response) => {
    const status = response.statusCode ?? 0;
    let text = "";
    response.setEncoding("utf8");
    response.on("data", (part: string) => text += part);
    response.on("error", reject);
    response.on("end", () => resolve({ ok: status >= 200 && status < 300, status, text }));
  });
  asked.on("socket", (socket) => {
    (socket as TLSSocket).once("secureConnect", () => {
      if ((socket as TLSSocket).getPeerCertificate().fingerprint256 !== expected) {
        // Nothing has been sent yet that would be a secret.
        return void asked.destroy(
          new Error("who listens there shows another certificate than the configuration names"),
        );
      }
      asked.end(body);
    });
  });
  return promise;
}
