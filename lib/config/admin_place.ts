import { resolve } from "node:path";
import { type Document, isAlias, isScalar, parseDocument } from "yaml";
import { parseListenAddress, type TcpAddress } from "./addresses.ts";
import { interpolate, Interpolated, templateParts } from "./yaml/interpolate.ts";
import type { LoadDependencies } from "./load.ts";
import { MAX_TEXT_LENGTH } from "./yaml/parse.ts";

/** As much of a configuration as leads to its running gateway. */
export interface AdminPlace {
  readonly listen: TcpAddress;
  readonly token: string | null;
  readonly dataDir: string;
  /** File of the certificate that is shown there, absolute; `null` where the address is plain. */
  readonly certificateFile: string | null;
}

const DEFAULT_LISTEN: TcpAddress = { hostname: "127.0.0.1", port: 6636 };

/**
 * Where a configuration file says that its gateway is, however wrong the rest of it may be: a gateway that runs does not stop because
 * somebody saves half a file. What cannot be read, or stands nowhere, is the default. Never throws.
 */
export async function adminPlace(
  path: string,
  { readTextFile, ownText, env, cwd }: Pick<LoadDependencies, "readTextFile" | "ownText" | "env" | "cwd">,
): Promise<AdminPlace> {
  const document = documentOf(await (ownText?.() ?? readTextFile(resolve(cwd, path))).catch(() => ""));
  const text = async (...keys: (string | number)[]): Promise<string | null> => {
    const node = nodeAt(document, keys);
    return isScalar(node) && node.value !== null ? await filledIn(String(node.value)) : null;
  };
  const filledIn = async (scalar: string): Promise<string | null> => {
    const parts = templateParts(scalar);
    if (parts === null) return scalar;
    const files = new Map<string, string>();
    for (const part of parts) {
      if (part.kind === "file") files.set(part.path, await readTextFile(resolve(cwd, part.path)).catch(() => ""));
    }
    const result = interpolate(parts, { env, file: (name) => ({ text: files.get(name) ?? "" }) });
    if (!result.ok) return null;
    return (result.value instanceof Interpolated ? result.value.text() : result.value) || null;
  };
  const certificate = await text("admin", "tls", "cert") ?? await text("admin", "tls", 0, "cert") ??
    await text("admin", "tls", "certificates", 0, "cert");
  return {
    certificateFile: certificate === null ? null : resolve(cwd, certificate),
    listen: parseListenAddress(await text("admin", "listen") ?? "") ?? DEFAULT_LISTEN,
    token: await text("admin", "token") ?? await operateToken(text),
    dataDir: resolve(cwd, await text("server", "data_dir") ?? "data"),
  };
}

/** The first of `admin.tokens` that may do everything. */
async function operateToken(text: (...keys: (string | number)[]) => Promise<string | null>): Promise<string | null> {
  for (let index = 0;; index++) {
    const role = await text("admin", "tokens", index, "role");
    if (role === null) return null;
    if (role === "operate") return await text("admin", "tokens", index, "token");
  }
}

function nodeAt(document: Document | null, keys: readonly (string | number)[]): unknown {
  try {
    const node = document?.getIn(keys, true);
    return isAlias(node) ? node.resolve(document!) : node;
  } catch {
    return null;
  }
}

/** What the parser makes of a text with mistakes, as far as it comes. */
function documentOf(text: string): Document | null {
  try {
    return text.length > MAX_TEXT_LENGTH ? null : parseDocument(text, { logLevel: "silent" });
  } catch {
    return null;
  }
}
