import { ADMIN_HELP, ADMIN_OPTIONS, adminAccess, askAdmin, refusalOf } from "./admin_client.ts";
import { type Command, failed, readArguments } from "./command.ts";
import { fail, print } from "./terminal.ts";
import { harmless } from "./text_layout.ts";

/** As the admin API answers a reload. */
type ReloadReply =
  | {
    readonly ok: true;
    readonly generation: number;
    readonly changes: readonly string[];
    readonly needs_restart: readonly string[];
  }
  | { readonly ok: false; readonly problems: readonly string[] };

/** `usher reload`: has the running gateway read its configuration file again, and prints what came of it. */
export const reloadCommand: Command = {
  summary: "have the running gateway read its configuration again",
  usage: `usage: usher reload [--dry-run] [--config FILE | --admin URL] [--token T]

  Brings the file that the gateway was started with into force, in every worker or in none, and prints what that changes.
  Exits with 0 if it is, and with 1 if it is not: then every mistake is printed, and the configuration before stays in
  force.

  --dry-run           only say what would change: every worker looks at it, and none takes it
  ${ADMIN_HELP}
`,
  async run(args) {
    const { values: { "dry-run": isTrial = false, ...flags } } = readArguments(args, {
      ...ADMIN_OPTIONS,
      "dry-run": { type: "boolean" },
    });
    try {
      const reply = await askAdmin(await adminAccess(flags), `POST /reload${isTrial ? "?dry_run=true" : ""}`);
      const result = reply.value as ReloadReply | null;
      if (result?.ok === true) return print(isTrial ? previewOf(result) : storyOf(result));
      if (result?.ok !== false) return fail(refusalOf(reply));
      const end = isTrial ? "It would not be reloaded" : "Not reloaded: the configuration before stays in force";
      return fail([...result.problems.map(harmless), end].join("\n"));
    } catch (error) {
      return failed(error);
    }
  },
};

type Done = Extract<ReloadReply, { ok: true }>;

function storyOf({ generation, changes, needs_restart: later }: Done): string {
  return [
    ...changes.map(harmless),
    `Reloaded: configuration ${generation} since the start is in force`,
    ...later.map((setting) => `${setting} has changed: it takes effect at the next start`),
  ].join("\n");
}

function previewOf({ changes, needs_restart: later }: Done): string {
  const lines = [
    ...changes.map(harmless),
    ...later.map((setting) => `${setting} would take effect at the next start`),
  ];
  return [
    ...lines,
    lines.length === 0 ? "A reload would change nothing" : "Nothing was changed: this is what a reload would do",
  ]
    .join("\n");
}
