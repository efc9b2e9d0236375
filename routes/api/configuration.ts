import { z } from "zod";
import { shownValues } from "../../lib/config/shown_values.ts";
import type { ReloadResult } from "../../lib/workers/supervisor/config_changes.ts";
import { endpoint } from "./endpoint.ts";
import { Problem } from "./problem.ts";

/** The configuration in force, and how another one comes into force. */
export const CONFIGURATION_ENDPOINTS = [
  endpoint({
    method: "GET",
    path: "/config",
    role: "read",
    summary: "The configuration in force with every default, without what may be a credential",
    answer: z.object({
      file: z.string(),
      generation: z.int(),
      loaded_at: z.iso.datetime(),
      config: z.record(z.string(), z.unknown()),
      last_error: z.object({ at: z.iso.datetime(), problems: z.array(z.string()) }).nullable(),
    }),
    handle({ view }) {
      const { file, generation, loadedAtMs, values, lastReload } = view.configInForce();
      return {
        file,
        generation,
        loaded_at: new Date(loadedAtMs).toISOString(),
        config: shownValues(values) as Readonly<Record<string, unknown>>,
        last_error: lastReload === null || lastReload.problems.length === 0
          ? null
          : { at: new Date(lastReload.atMs).toISOString(), problems: lastReload.problems },
      };
    },
  }),
  endpoint({
    method: "POST",
    path: "/reload",
    formerly: "/reload",
    role: "operate",
    summary:
      "Reads the configuration again and brings it into force, in every worker or in none; or says what that would change",
    query: z.strictObject({ dry_run: z.stringbool().default(false).describe("Only say what would change.") }),
    answer: z.object({
      ok: z.literal(true),
      generation: z.int().describe("Of the configuration that is in force now."),
      changes: z.array(z.string()),
      needs_restart: z.array(z.string()),
      problems: z.array(z.string()),
    }),
    problems: { 422: "The configuration before stays in force; `problems` says why" },
    handle: async ({ view, query, actor }) =>
      shownReload(query.dry_run ? await view.tryReload() : await view.reload(actor)),
  }),
];

/** @throws {Problem} where there is something wrong with the file */
function shownReload(result: ReloadResult) {
  if (result.ok) {
    const { generation, changes, needsRestart } = result;
    return { ok: true as const, generation, changes, needs_restart: needsRestart, problems: [] };
  }
  const { problems } = result;
  const more = { ok: false, changes: [], needs_restart: [], problems };
  throw new Problem(422, "The configuration before stays in force", { more });
}
