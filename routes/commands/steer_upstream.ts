import { ADMIN_HELP, ADMIN_OPTIONS, adminAccess, askAdmin, refusalOf } from "./admin_client.ts";
import { type Command, failed, Misuse, readArguments } from "./command.ts";
import { fail, print } from "./terminal.ts";
import { harmless } from "./text_layout.ts";

/** As the admin surface answers a drain. */
interface DrainReply {
  readonly pool: string;
  readonly upstream: string;
  readonly workers: number;
  readonly left: number;
  readonly persisted: boolean;
}

/** As it answers a check. */
interface CheckReply {
  readonly pool: string;
  readonly upstream: string;
  readonly ok: boolean;
  readonly ms: number;
  readonly detail: string;
}

/** `usher drain`: gives an upstream no new requests. */
export const drainCommand = steering<DrainReply>("drain", {
  summary: "give an upstream no new requests, until undrain",
  help:
    `Gives an upstream of the running gateway no new requests, in any worker; those in flight end, and active checks go on.
  It stays so over reloads and restarts. Draining the last upstream of a pool is not refused: what is not stored is
  answered with 503 then. Exits with 0 when that is done, else with 1.`,
  tell: ({ pool, upstream, workers, left, persisted }) => {
    const until = persisted ? "until `usher undrain`" : "until `usher undrain` or the end of the gateway's process";
    const last = left > 0 ? "" : `\nEvery upstream of pool ${pool} is drained: what is not stored is answered with 503`;
    return print(`${harmless(upstream)} gets no new requests from ${counted(workers)}, ${until}${last}`);
  },
});

/** `usher undrain`: gives it requests again. */
export const undrainCommand = steering<DrainReply>("undrain", {
  summary: "give a drained upstream requests again",
  help: "Gives a drained upstream of the running gateway requests again. Exits with 0 when that is done, else with 1.",
  tell: ({ upstream, workers }) => print(`${harmless(upstream)} gets requests from ${counted(workers)}`),
});

/** `usher check-now`: runs its active check. */
export const checkNowCommand = steering<CheckReply>("check-now", {
  summary: "run the active check of an upstream at once",
  help:
    `Runs the active check of an upstream of the running gateway at once; it counts as any other check. Exits with 0 if the
  upstream is well, else with 1.`,
  tell: ({ upstream, ok, ms, detail }) => {
    const line = `${harmless(upstream)} ${ok ? "is well" : "is not well"}, ${ms} ms`;
    return (ok ? print : fail)(detail === "" ? line : `${line}: ${harmless(detail)}`);
  },
});

/** A command about one upstream. */
function steering<Reply>(
  name: "drain" | "undrain" | "check-now",
  { summary, help, tell }: { readonly summary: string; readonly help: string; readonly tell: (reply: Reply) => number },
): Command {
  return {
    summary,
    usage: `usage: usher ${name} POOL URL [--config FILE | --admin URL] [--token T]

  ${help}

  POOL                its pool, as the configuration calls it
  URL                 the upstream, as \`usher status\` names it
  ${ADMIN_HELP}
`,
    async run(args) {
      const { values, positionals: [pool, upstream] } = readArguments(args, ADMIN_OPTIONS, 2);
      if (pool === undefined || upstream === undefined) throw new Misuse("Say which upstream of which pool: POOL URL");
      const action = name === "check-now" ? "check" : name;
      try {
        const target = `POST /pools/${encodeURIComponent(pool)}/${action}`;
        const reply = await askAdmin(await adminAccess(values), target, { upstream });
        return reply.ok ? tell(reply.value as Reply) : fail(refusalOf(reply));
      } catch (error) {
        return failed(error);
      }
    },
  };
}

function counted(workers: number): string {
  return `${workers} worker${workers === 1 ? "" : "s"}`;
}
