/** What became of the requests of a {@linkcode SteadyClient}. */
export interface SteadyCounts {
  answered: number;
  /** Not the answer that was right, or cut off within it. */
  wrong: number;
  /** New connections that ended without an answer, or could not be made. */
  lost: string[];
  /** Kept connections that were closed while a request was on its way: HTTP has the client send it again (RFC 9112, section 9.3.1). */
  repeated: number;
}

/** How a request went: the connection may be used again, or why there was no answer. */
type Outcome = { readonly kind: "answered"; readonly keeps: boolean } | {
  readonly kind: "wrong" | "silent";
  readonly why: string;
};

/** Asks for one path after the other, with pauses, on a kept connection or on a new one each time, until it is stopped. */
export class SteadyClient {
  readonly counts: SteadyCounts = { answered: 0, wrong: 0, lost: [], repeated: 0 };
  readonly #open: () => Promise<Deno.Conn>;
  readonly #keeps: boolean;
  readonly #done: Promise<void>;
  #isStopped = false;

  constructor(open: () => Promise<Deno.Conn>, keeps: boolean) {
    this.#open = open;
    this.#keeps = keeps;
    this.#done = this.#run();
  }

  /** Ends after the request under way. */
  async stop(): Promise<SteadyCounts> {
    this.#isStopped = true;
    await this.#done;
    return this.counts;
  }

  async #run(): Promise<void> {
    const { counts } = this;
    let connection: Deno.Conn | null = null;
    for (let n = 0; !this.#isStopped; n++) {
      const isFresh: boolean = connection === null;
      let outcome: Outcome;
      try {
        connection ??= await this.#open();
        outcome = await ask(connection, `/${n % 50}`, this.#keeps);
      } catch (error) {
        outcome = { kind: "silent", why: String(error) };
      }
      if (outcome.kind === "answered") counts.answered++;
      else if (outcome.kind === "wrong") counts.wrong++;
      else if (isFresh) counts.lost.push(outcome.why);
      else counts.repeated++;
      if (outcome.kind !== "answered" || !outcome.keeps) {
        connection?.close();
        connection = null;
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    connection?.close();
  }
}

/** The answer is right where its body is the path. */
async function ask(connection: Deno.Conn, path: string, keeps: boolean): Promise<Outcome> {
  const fields = keeps ? "" : "Connection: close\r\n";
  const buffer = new Uint8Array(4_096);
  let text = "";
  try {
    await connection.write(new TextEncoder().encode(`GET ${path} HTTP/1.1\r\nHost: steady.example\r\n${fields}\r\n`));
    while (!text.endsWith(`\r\n\r\n${path}`)) {
      const read = await connection.read(buffer);
      if (read === null) throw new Error("closed");
      text += new TextDecoder().decode(buffer.subarray(0, read));
    }
  } catch (error) {
    return { kind: text === "" ? "silent" : "wrong", why: String(error) };
  }
  if (!text.startsWith("HTTP/1.1 200 ")) return { kind: "wrong", why: text };
  return { kind: "answered", keeps: keeps && !/^connection: close/im.test(text) };
}
