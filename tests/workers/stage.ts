import { join } from "node:path";
import type { Part } from "./part.ts";

/** Where scripted workers look up what to do, each by its name. */
export interface Stage extends AsyncDisposable {
  /** Module that they are started from, the same for all: Deno checks the types of each URL anew. */
  readonly url: URL;
  /** What their configuration has to name as `server.data_dir`: they look there. */
  readonly directory: string;
  /** Tells each worker its parts, from now on. */
  direct(parts: Readonly<Record<string, readonly Part[]>>): void;
}

/** A stage of its own for a test. */
export async function setStage(parts: Readonly<Record<string, readonly Part[]>> = {}): Promise<Stage> {
  const directory = await Deno.makeTempDir({ prefix: "usher-stage-" });
  const path = join(directory, "parts.json");
  const url = new URL("./fixtures/scripted_role.ts", import.meta.url);
  const direct: Stage["direct"] = (next) => {
    // In one step: a worker may look at any moment.
    Deno.writeTextFileSync(`${path}.new`, JSON.stringify(next));
    Deno.renameSync(`${path}.new`, path);
  };
  direct(parts);
  return { url, directory, direct, [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }) };
}
