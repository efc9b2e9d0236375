/** Where load goes. */
export interface Target {
  readonly url: string;
  /** Asks for another path with each request. */
  readonly unique: boolean;
}

/** What a run of load came to. */
export interface Measured {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const UNIQUE = `
local n = 0
local salt = tostring(os.time()) .. tostring({}):sub(8)
request = function()
  n = n + 1
  return wrk.format("GET", wrk.path .. "?n=" .. salt .. n)
end
`;

/** Puts load on a target from core 1 and reads what `wrk` says. @throws {Error} when a response was no success */
export async function measure(target: Target, seconds: number): Promise<Measured> {
  const script = target.unique ? ["-s", await uniqueScript()] : [];
  const args = ["-c", "1", "wrk", "-t1", "-c64", `-d${seconds}s`, "--latency", ...script, target.url];
  const { stdout, success } = await run("taskset", args);
  const problem = /Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)/.exec(stdout);
  if (!success || problem !== null) throw new Error(`Load on ${target.url} failed: ${problem?.[0] ?? stdout}`);
  return {
    requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    p50Ms: milliseconds(/50%\s+([\d.]+)(us|ms|s)/.exec(stdout)),
    p99Ms: milliseconds(/99%\s+([\d.]+)(us|ms|s)/.exec(stdout)),
  };
}

let scriptPath: string | undefined;

async function uniqueScript(): Promise<string> {
  if (scriptPath === undefined) {
    scriptPath = await Deno.makeTempFile({ suffix: ".lua" });
    await Deno.writeTextFile(scriptPath, UNIQUE);
  }
  return scriptPath;
}

function milliseconds(match: RegExpExecArray | null): number {
  const value = Number(match?.[1]);
  return match?.[2] === "us" ? value / 1000 : match?.[2] === "s" ? value * 1000 : value;
}

async function run(command: string, args: string[]): Promise<{ stdout: string; success: boolean }> {
  try {
    const { stdout, success } = await new Deno.Command(command, { args, stderr: "inherit" }).output();
    return { stdout: new TextDecoder().decode(stdout), success };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(`The bench needs taskset and wrk (apt-get install util-linux wrk): ${command} was not found`);
  }
}
