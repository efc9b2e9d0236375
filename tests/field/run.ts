/**
 * `deno task field`: tries each row of the table of what users ran into on a gateway process, and prints what holds. Ends with 1 where
 * something does not.
 */
import { startFieldGateway } from "../system/field_gateway.ts";
import { fieldSheets } from "./field_sheets.ts";

const problems: string[] = [];
const fieldRows = fieldSheets.flatMap(({ rows }) => rows);
for (const sheet of fieldSheets) {
  await print(`\n${sheet.name}`);
  await using field = await startFieldGateway(sheet);
  for (const row of sheet.rows) {
    const problem = await field.tryRow(row);
    if (problem !== null) problems.push(problem);
    await print(`${problem === null ? "holds" : "FAILS"}  ${row.line}  ${row.name}`);
    if (problem !== null) await print(`       ${problem.replaceAll("\n", "\n       ")}`);
    if (row.fellShort) await print(`       before: ${row.before}`);
  }
}
const fellShort = fieldRows.filter((row) => row.fellShort).length;
await print(
  `\n${fieldRows.length - problems.length} of ${fieldRows.length} hold; ${fellShort} of them fell short before`,
);
Deno.exitCode = problems.length === 0 ? 0 : 1;

async function print(text: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(`${text}\n`));
}
