import { diagnoseDisk } from "../../lib/inspect/diagnose_disk.ts";
import { ANY_CONFIG, configOf } from "../gateway/config_of.ts";

// Looks at the folder that it is given, and prints what it found.
const config = await configOf({ ...ANY_CONFIG, server: { data_dir: Deno.args[0] } });
await Deno.stdout.write(
  new TextEncoder().encode(JSON.stringify(await diagnoseDisk(config, { timeoutMs: 10_000, isRunning: false }))),
);
