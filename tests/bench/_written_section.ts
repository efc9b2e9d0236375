/**
 * Puts the result of a task into a page, between `<!-- NAME -->` and `<!-- /NAME -->`, with the day, the version of the runtime and the
 * commit that it was measured at.
 *
 * @throws {Error} where the page has no such place
 */
export async function writeSection(path: string, name: string, text: string): Promise<void> {
  const page = await Deno.readTextFile(path);
  const [start, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [page.indexOf(start), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${path} has no ${start} and ${end}`);
  const { stdout } = await new Deno.Command("git", { args: ["rev-parse", "--short", "HEAD"] }).output();
  const day = new Date().toISOString().slice(0, 10);
  const about = `Measured on ${day} at commit ${new TextDecoder().decode(stdout).trim()}, Deno ${Deno.version.deno}:`;
  await Deno.writeTextFile(path, `${page.slice(0, from)}${start}\n\n${about} ${text}\n\n${page.slice(to)}`);
}
