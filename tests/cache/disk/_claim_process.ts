import { claimKvFile } from "../../../lib/cache/disk/kv_claim.ts";

// Claims each KV file that it is given, and prints what came of it.
for (const path of Deno.args) {
  const warnings: unknown[] = [];
  const log = { warn: (message: string, fields: unknown) => warnings.push({ message, fields }) };
  const { file, purgePath, release } = await claimKvFile(path, { clock: { now: () => 1_000 }, log });
  release();
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify({ file, purgePath, warnings }) + "\n"));
}
