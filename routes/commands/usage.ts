import { shownSize } from "../../lib/inspect/finding.ts";
import type { UsageRow } from "../../lib/workers/operations/usage_ledger.ts";
import { ADMIN_HELP, ADMIN_OPTIONS, adminAccess, askAdmin, refusalOf } from "./admin_client.ts";
import { type Command, failed, Misuse, readArguments } from "./command.ts";
import { fail, print } from "./terminal.ts";
import { harmless } from "./text_layout.ts";

/** `usher usage`: prints what each client has used of each listener, by day. */
export const usageCommand: Command = {
  summary: "say what each client has used, by day",
  usage: `usage: usher usage [--days N] [--json] [--config FILE | --admin URL] [--token T]

  Requests, those of them that the cache answered, and bytes sent, by day (UTC), listener and name of the client's token;
  a client "-" is all who have none. Kept for 400 days.

  --days N            days up to today, 7 by default
  --json              the same for programs
  ${ADMIN_HELP}
`,
  async run(args) {
    const options = { ...ADMIN_OPTIONS, days: { type: "string" }, json: { type: "boolean" } } as const;
    const { values: { days = "7", json, ...flags } } = readArguments(args, options);
    if (!/^[1-9]\d{0,2}$/.test(days) || Number(days) > 400) {
      throw new Misuse(`--days wants a number from 1 to 400, found "${days}"`);
    }
    try {
      const reply = await askAdmin(await adminAccess(flags), `GET /usage?days=${days}`);
      if (!reply.ok) return fail(refusalOf(reply));
      const { usage } = reply.value as { readonly usage: readonly UsageRow[] };
      return print(json ? JSON.stringify(usage, null, 2) : usageTable(usage));
    } catch (error) {
      return failed(error);
    }
  },
};

const TITLES = ["day (UTC)", "listener", "client", "requests", "hits", "sent"] as const;
/** Columns of numbers begin here. */
const FIRST_NUMBER = 3;

/** What `usher usage` prints. Ends without a line feed. */
export function usageTable(usage: readonly UsageRow[]): string {
  if (usage.length === 0) return "Nothing was used in these days";
  const rows = [
    TITLES,
    ...usage.map(({ day, listener, client, requests, hits, bytes }) => [
      ...[day, harmless(listener), client === null ? "-" : harmless(client), String(requests)],
      ...[requests === 0 ? "" : `${Math.round(hits / requests * 100)} %`, shownSize(bytes)],
    ]),
  ];
  const widths = TITLES.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const cell = (text: string, column: number) =>
    column < FIRST_NUMBER ? text.padEnd(widths[column]!) : text.padStart(widths[column]!);
  return rows.map((row) => row.map(cell).join("  ").trimEnd()).join("\n");
}
