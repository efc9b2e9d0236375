import { isLoopback } from "./addresses.ts";
import { type NamedFiles, readAuthorities } from "./authorities.ts";
import type { CertificateReading } from "./certificates.ts";
import { salvage } from "./yaml/issues.ts";
import type { Problems } from "./yaml/problems.ts";
import type { DraftSchema } from "./schema.ts";
import { validateAddresses } from "./listen.ts";
import { validateAppends } from "./validate_appends.ts";
import { validateChangeFeeds } from "./validate_change_feed.ts";
import { validateListeners } from "./listener.ts";
import { validatePools } from "./pool.ts";
import { validateRules } from "./rule_checks.ts";
import { validateRewriting } from "./validate_rewriting.ts";
import { readCertificates, validateTls } from "./validate_tls.ts";
import type { ValidationContext } from "./validation_context.ts";

/** An admin address that others can reach needs a token. */
function validateAdmin({ values, problems }: ValidationContext): void {
  const { listen, token } = values.admin;
  if (isLoopback(listen) || token !== undefined || problems.has(["admin", "token"])) return;
  problems.expect(["admin", "listen"], "a loopback address such as 127.0.0.1:6636, or a secret in admin.token");
}

/** Sizes that make each other meaningless. */
function validateCache({ values, problems }: ValidationContext): void {
  const { memory, disk, max_entry, fill_memory } = values.cache;
  if (problems.has(["cache"])) return;
  const isGiven = problems.given(["cache", "max_entry"]).length === 2;
  if (isGiven && max_entry > memory && max_entry > disk) {
    problems.expect(["cache", "max_entry"], "a size that cache.memory or cache.disk can hold");
  } else if (Math.min(max_entry, Math.max(memory, disk)) > fill_memory) {
    problems.warn(
      ["cache", "fill_memory"],
      "it is smaller than cache.max_entry: bodies larger than it are never stored",
    );
  }
}

/** Descriptors that nobody counts. */
function validateLimits({ values, problems }: ValidationContext): void {
  const at = ["server", "limits", "reserve_descriptors"];
  if (values.server.limits.max_connections === "auto" || problems.given(at).length < at.length) return;
  problems.warn(at, "it has no effect: only `max_connections: auto` goes by descriptors");
}

/** Where problems are noted, and how files are read. */
export interface ValidateOptions {
  readonly problems: Problems;
  readonly reading: CertificateReading;
  /** Directory that relative paths start from, absolute. */
  readonly cwd: string;
  readonly mayLoadAddons: boolean;
  readonly refusedCheck: ValidationContext["refusedCheck"];
}

/**
 * Checks what no key can tell alone on the part of the file that `schema` accepts, and notes every problem and warning. Answers
 * with what the files hold that it names.
 */
export async function validate(schema: DraftSchema, options: ValidateOptions): Promise<NamedFiles> {
  const { problems, reading } = options;
  const salvaged = salvage(schema, problems.tree.root);
  if (salvaged === null) return { authorities: new Map(), certificates: new Map() };
  const { cwd, mayLoadAddons, refusedCheck } = options;
  const context = { values: salvaged.values, original: salvaged.original, problems, cwd, mayLoadAddons, refusedCheck };
  validateAdmin(context);
  validateCache(context);
  validateLimits(context);
  validatePools(context);
  validateListeners(context);
  validateAddresses(context);
  validateTls(context);
  validateRewriting(context);
  validateRules(context);
  validateAppends(context);
  validateChangeFeeds(context);
  const authorities = await readAuthorities(context, reading.readTextFile);
  return { authorities, certificates: await readCertificates(context, reading) };
}
