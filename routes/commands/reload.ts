import { ADMIN_HELP, ADMIN_OPTIONS, adminAccess, askAdmin, refusalOf } from "./admin_client.ts";
import { type Command, failed, readArguments } from "./command.ts";
import { fail, print } from "./terminal.ts";

/** As the admin surface answers a reload. */
type ReloadReply =
  | { readonly ok: true; readonly generation: number; readonly needs_restart: readonly string[] }
  | { readonly ok: false; readonly problems: readonly string[] };

/** `usher reload`: has the running gateway read its configuration file again, and prints what came of it. */
export const reloadCommand: Command = {
  summary: "have the running gateway read its configuration again",
  usage: `usage: usher reload [--config FILE | --admin URL] [--token T]

  Brings the file that the gateway was started with into force, in every worker or in none. Exits with 0 if it is, and with
  1 if it is not: then every mistake is printed, and the configuration before stays in force.

  ${ADMIN_HELP}
`,
  async run(args) {
    const { values } = readArguments(args, ADMIN_OPTIONS);
    try {
      const reply = await askAdmin(await adminAccess(values), "POST /reload");
      const result = reply.value as ReloadReply | null;
      if (result?.ok === true) return print(storyOf(result));
      if (result?.ok !== false) return fail(refusalOf(reply));
      return fail([...result.problems, "Not reloaded: the configuration before stays in force"].join("\n"));
    } catch (error) {
      return failed(error);
    }
  },
};

function storyOf({ generation, needs_restart: atRestart }: Extract<ReloadReply, { ok: true }>): string {
  const later = atRestart.map((setting) => `${setting} has changed: it takes effect at the next start`);
  return [`Reloaded: configuration ${generation} since the start is in force`, ...later].join("\n");
}
