import { issueAuthority, issueLeaf, type LeafOptions } from "../../lib/certificates/issue.ts";
import { keyPem, newKeyPair } from "../../lib/certificates/key_pair.ts";

export const DAY_MS = 24 * 60 * 60 * 1000;

/** An authority of a test's own. */
export interface MadeAuthority {
  /** Its certificate in PEM. */
  readonly ca: string;
  /** A certificate for names, with its key. */
  leaf(names: readonly string[], options?: Partial<LeafOptions>): Promise<MadeCertificate>;
}

/** PEM texts. */
export interface MadeCertificate {
  readonly cert: string;
  readonly key: string;
  readonly names: readonly string[];
}

/** Makes an authority; with `names` it may vouch for nothing else. */
export async function madeAuthority(names: readonly string[] = []): Promise<MadeAuthority> {
  const nowMs = Date.now();
  const authority = { name: "An authority of a test", keys: await newKeyPair() };
  return {
    ca: await issueAuthority({ ...authority, names, nowMs, notAfterMs: nowMs + 365 * DAY_MS }),
    async leaf(names, options = {}) {
      const keys = await newKeyPair();
      const cert = await issueLeaf({ names, keys, authority, nowMs, notAfterMs: nowMs + 30 * DAY_MS, ...options });
      return { cert, key: await keyPem(keys), names };
    },
  };
}
