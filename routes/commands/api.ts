import { ADMIN_HELP, ADMIN_OPTIONS, adminAccess, askAdmin, refusalOf } from "./admin_client.ts";
import { type Command, failed, Misuse, readArguments } from "./command.ts";
import { fail, print } from "./terminal.ts";

/** `usher api`: asks the running gateway for whatever its API has, and prints the answer as JSON. */
export const apiCommand: Command = {
  summary: "ask the admin API of the running gateway for anything that it has",
  usage: `usage: usher api [METHOD] PATH [BODY] [--config FILE | --admin URL] [--token T]

  Prints the answer, which has to be JSON and to have an end: not /metrics or /events. Exits with 0 where the gateway did as asked, else with 1.

  METHOD              GET unless it is given, POST where there is a body
  PATH                below /api/v1, such as /config; /openapi.json says which there are
  BODY                JSON that is sent, such as '{"url":"/3/movie/550"}'
  ${ADMIN_HELP}
`,
  async run(args) {
    const { values, positionals } = readArguments(args, ADMIN_OPTIONS, 3);
    const { method, path, body } = orderOf(positionals);
    try {
      const reply = await askAdmin(await adminAccess(values), `${method} ${path}`, body);
      if (!reply.ok) return fail(refusalOf(reply));
      return reply.value === null ? 0 : print(JSON.stringify(reply.value, null, 2));
    } catch (error) {
      return failed(error);
    }
  },
};

/** @throws {Misuse} */
function orderOf(words: readonly string[]): { method: string; path: string; body: unknown } {
  const hasMethod = /^[a-z]+$/i.test(words[0] ?? "");
  const [path, text, ...rest] = hasMethod ? words.slice(1) : words;
  if (path === undefined || rest.length > 0) throw new Misuse("Say what to ask for: [METHOD] PATH [BODY]");
  if (!/^\/[!-~]*$/.test(path)) throw new Misuse(`PATH begins with /, found "${path}"`);
  const method = hasMethod ? words[0]!.toUpperCase() : text === undefined ? "GET" : "POST";
  return { method, path, body: text === undefined ? undefined : bodyOf(text) };
}

/** @throws {Misuse} */
function bodyOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Misuse("BODY is no JSON");
  }
}
