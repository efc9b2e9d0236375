import { targetsIn } from "../../lib/workers/operations/prewarm_targets.ts";
import { CLIENT_NAMES } from "../../lib/clients/client_requests.ts";
import { ADMIN_OPTIONS, adminAccess } from "./admin_client.ts";
import { type Command, failed, Misuse, readArguments } from "./command.ts";
import { typedPath } from "./config_path.ts";
import { begin, follow } from "./prewarm_progress.ts";
import { prewarmLibrary } from "./prewarm_library.ts";

const USAGE = `usage: usher prewarm --listener L [PATH…] [--file F] [--config FILE | --admin URL] [--token T]
       usher prewarm --listener L (--nfo DIR | --ids F) [--client C] [--language CODE] [--images L]
                     [--estimate | --yes | --dry-run] …

  Has the running gateway fetch paths into its cache, behind real requests; as configured for the listener where no path
  and no file is given. Exits with 0 when all are there, with 1 when one failed.

  --listener L        the listener whose paths they are
  --file F            a file with one path a line
  --nfo DIR           a media library: TMDB's ids are read from its .nfo files, and from names of folders as {tmdb-550}
  --ids F             a file with one title a line, as movie:550 or tv:1399
  --client C          fetch what this client asks for: ${CLIENT_NAMES.join(", ")}; may be given again
  --language CODE     in which it asks, such as de-DE; each client's own default else
  --images L          with --client: the listener of pictures, to fetch posters and backdrops too
  --estimate          say what it takes in bytes, requests and time, and fetch nothing
  --yes               do not ask before a library is fetched
  --dry-run           print the paths of the library, as a file for --file, and fetch nothing
  --concurrency N     how many at a time
  --rate N            how many a second
  --no-wait           do not wait for the end
  --config, -c FILE   the configuration of the gateway, which says where it is and its token; - is standard input
  --admin URL         where its admin address is instead, such as http://127.0.0.1:6636
  --token T           its token, also USHER_ADMIN_TOKEN
`;

/** `usher prewarm`: has the running gateway fetch paths into its cache, and shows how far it comes. */
export const prewarmCommand: Command = {
  summary: "have the running gateway fetch paths into its cache, behind real requests",
  usage: USAGE,
  async run(args) {
    const { values, positionals } = readArguments(args, {
      ...ADMIN_OPTIONS,
      listener: { type: "string" },
      file: { type: "string" },
      nfo: { type: "string" },
      ids: { type: "string" },
      client: { type: "string", multiple: true },
      language: { type: "string" },
      images: { type: "string" },
      estimate: { type: "boolean" },
      yes: { type: "boolean" },
      "dry-run": { type: "boolean" },
      concurrency: { type: "string" },
      rate: { type: "string" },
      "no-wait": { type: "boolean" },
    }, Infinity);
    const { listener, file, "no-wait": noWait = false } = values;
    if (listener === undefined) throw new Misuse("Say whose paths they are: give --listener");
    const limits = { concurrency: numberOf(values, "concurrency"), rate: numberOf(values, "rate") };
    const isLibrary = values.nfo !== undefined || values.ids !== undefined;
    if (isLibrary && positionals.length + (file?.length ?? 0) > 0) {
      throw new Misuse("Give either a library, or paths and a file of them");
    }
    const alone = (["client", "language", "images", "estimate", "yes", "dry-run"] as const)
      .find((name) => values[name] !== undefined);
    if (!isLibrary && alone !== undefined) throw new Misuse(`--${alone} is for a library: give --nfo or --ids too`);
    try {
      if (isLibrary) return await prewarmLibrary({ ...values, listener, limits });
      const access = await adminAccess(values);
      const paths = [...positionals, ...await fromFile(file)];
      const order = { listener, paths: paths.length === 0 ? undefined : paths, ...limits };
      const begun = await begin(access, order);
      return !begun ? 1 : noWait ? 0 : (await follow(access, listener)).code;
    } catch (error) {
      return failed(error);
    }
  },
};

/** @throws {Misuse} */
function numberOf(values: { concurrency?: string; rate?: string }, name: "concurrency" | "rate"): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const number = Number(text);
  if (text.trim() === "" || !(number > 0 && number < Infinity)) {
    throw new Misuse(`--${name} wants a number above 0, found "${text}"`);
  }
  return number;
}

async function fromFile(file: string | undefined): Promise<readonly string[]> {
  return file === undefined ? [] : targetsIn(await Deno.readTextFile(typedPath(file)), file);
}
