import { ADMIN_HELP, ADMIN_OPTIONS, adminAccess, askAdmin, refusalOf } from "./admin_client.ts";
import { type Command, failed, readArguments } from "./command.ts";
import { notGateway } from "./running_gateway.ts";
import { type StatusReply, statusReport } from "./status_report.ts";
import { fail, print } from "./terminal.ts";

/** `usher status`: prints how the running gateway is. */
export const statusCommand: Command = {
  summary: "say how the running gateway is",
  usage: `usage: usher status [--json] [--config FILE | --admin URL] [--token T]

  Workers, listeners with what the cache answered, and the state of each upstream. Exits with 0 if a worker serves, else
  with 1.

  --json              all that the gateway says, as /status on its admin address
  ${ADMIN_HELP}
`,
  async run(args) {
    const { values: { json, ...flags } } = readArguments(args, { ...ADMIN_OPTIONS, json: { type: "boolean" } });
    try {
      const access = await adminAccess(flags);
      const reply = await askAdmin(access, "GET /status");
      if (!reply.ok) return fail(refusalOf(reply));
      const status = reply.value as StatusReply;
      if (!Array.isArray(status.workers)) return fail(notGateway(access.url, reply.status));
      print(json ? JSON.stringify(status, null, 2) : statusReport(status));
      return status.workers.some(({ name, state }) => name.startsWith("serving") && state === "up") ? 0 : 1;
    } catch (error) {
      return failed(error);
    }
  },
};
