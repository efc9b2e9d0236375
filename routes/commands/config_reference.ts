import { type JsonSchema, jsonSchema } from "../../lib/config/json_schema.ts";

const INTRODUCTION = `# Configuration

One YAML 1.2 file. \`pools\` and \`listeners\` are enough; everything else has a default. The shortest file that works:

\`\`\`yaml
pools:
  images: { type: tmdb-image, upstreams: [https://image.tmdb.org] }
listeners:
  - { name: images, prefix: /t/p, pool: images }
\`\`\`

\`deno task check --config FILE\` checks a file without starting anything and exits with 0 or 1. \`config.example.yaml\`
shows every key with its default. \`config.schema.json\` is the same reference for editors: put
\`# yaml-language-server: $schema=./config.schema.json\` in the first line of your file. A field is what many call a
header.

## Values

- **Durations** carry their unit: \`500ms\`, \`30s\`, \`5m\`, \`1h\`, \`30d\`, \`1.5h\`; only \`0\` needs none.
- **Sizes**: \`512KiB\`, \`64MiB\`, \`10GiB\`, \`1TiB\` are powers of 1024, \`10KB\`, \`10MB\`, \`10GB\`, \`1TB\` powers of 1000; a
  number alone is bytes.
- **Addresses to listen on**: \`0.0.0.0:6635\`, \`[::1]:6636\`; \`:6635\` is \`0.0.0.0:6635\`. Port 0 lets the system choose. A
  listener may have a unix socket: \`{ unix: ./usher.sock, mode: "0660" }\`. The digits of a mode are octal, with quotes
  or without.
- **Status ranges**: \`404\`, \`200-299\`, or a list of both.
- **Relative paths** start from the working directory, also in included files; those of \`include\` itself start from the
  file that they stand in.
- A key without a value (\`server:\` with nothing below it) is as good as absent. Unknown keys are mistakes, so are keys
  given twice.
- Anchors, aliases and merge keys (\`<<\`) work.

## Values from outside

| written                  | becomes                                                                 |
| ------------------------ | ----------------------------------------------------------------------- |
| \`\${NAME}\`                | the environment variable; it must be set                                |
| \`\${NAME:-default}\`       | the variable, or \`default\` where it is not set or empty                 |
| \`\${file:/run/secrets/x}\` | the file's text without line feeds at its end, 64 Ki characters at most |
| \`$\${\`                    | a plain \`\${\`                                                            |

They work inside every value, also several in one (\`http://\${HOST}:\${PORT}\`), not in keys. What results is read as YAML
reads a plain scalar: \`workers: \${WORKERS}\` is a number. What results empty is as good as absent. Inside \`[ ]\` and \`{ }\`
put quotes around them. Values that come from outside never appear in messages: \`\${NAME}\` does.

## Mistakes

All mistakes of a file are reported at once, each with its place, what was found and what is allowed:

\`\`\`text
config.yaml:12:11 listeners[0].prefx: found unknown key "prefx" expected one of name, listen, …; did you mean "prefix"?
\`\`\`

A file with mistakes is never used: at start the gateway exits, at a reload it goes on with the configuration that it
has.

## Keys
`;

/** One row of a table. */
type Row = readonly string[];

/** A table whose columns are as wide as their widest cell, as the formatter writes it. */
function table(rows: readonly Row[]): string {
  const [head = []] = rows;
  const widths = head.map((_, column) => Math.max(3, ...rows.map((row) => [...row[column] ?? ""].length)));
  const line = (row: Row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.slice(1).map(line)].join("\n");
}

/** The mapping that a schema takes, itself or as its long form. */
function mappingOf(schema: JsonSchema): JsonSchema | undefined {
  return [schema, ...schema.anyOf ?? []].find((form) => form.type === "object");
}

/** The list that a schema takes, itself or as its long form. */
function listOf(schema: JsonSchema): JsonSchema | undefined {
  return [schema, ...schema.anyOf ?? []].find((form) => form.type === "array");
}

/** Mappings beneath a key that have a section of their own, with its heading. */
function sectionBelow(path: string, schema: JsonSchema): { path: string; mapping: JsonSchema } | null {
  const list = listOf(schema);
  if (list?.items !== undefined) return sectionBelow(`${path}[]`, list.items);
  const mapping = mappingOf(schema);
  if (mapping?.properties !== undefined) return { path, mapping };
  const values = mapping?.additionalProperties;
  return typeof values === "object" ? sectionBelow(`${path}.<name>`, values) : null;
}

/** The anchor that a heading gets. */
function anchor(path: string): string {
  return `#${path.toLowerCase().replaceAll(/[^\w-]/g, "")}`;
}

/** What kind of value a schema takes, in words. */
function kind(path: string, schema: JsonSchema): string {
  const below = sectionBelow(path, schema);
  const list = listOf(schema);
  const [short] = schema.anyOf ?? [];
  const shortName = short?.type === "boolean" ? "boolean" : short?.title;
  const prefix = below === null || shortName === undefined ? "" : `${shortName} or `;
  if (list !== undefined) {
    return below === null ? `list of ${list.items?.title ?? "text"}s` : `[list](${anchor(below.path)})`;
  }
  if (below !== null) return `${prefix}[mapping](${anchor(below.path)})`;
  if (mappingOf(schema) !== undefined) return "mapping of texts";
  const names = schema.anyOf?.find((form) => form.enum !== undefined)?.enum;
  if (names !== undefined) return names.map((name) => `\`${name}\``).join(", ");
  return `${schema.title ?? "text"}${range(schema)}`;
}

/** The limits of a number. */
function range(schema: JsonSchema): string {
  const form = schema.anyOf?.find((one) => one.type === "integer" && one.maximum !== undefined);
  return form === undefined ? "" : `, ${form.minimum} to ${form.maximum}`;
}

/** A default as it stands in a file. */
function standard(schema: JsonSchema, isRequired: boolean): string {
  if (isRequired) return "required";
  if (schema.default === undefined) return "";
  const text = typeof schema.default === "string" ? schema.default : JSON.stringify(schema.default);
  return `\`${text}\``;
}

/** The section of one mapping, and those beneath it. */
function section(path: string, mapping: JsonSchema): string[] {
  const rows: Row[] = [["key", "value", "default", "meaning"]];
  const below: string[] = [];
  const required = mapping.required ?? mapping.anyOf?.[0]?.required ?? [];
  for (const [key, schema] of Object.entries(mapping.properties ?? {})) {
    const at = path === "" ? key : `${path}.${key}`;
    const isRequired = required.includes(key);
    rows.push([`\`${key}\``, kind(at, schema), standard(schema, isRequired), schema.description ?? ""]);
    const next = sectionBelow(at, schema);
    if (next !== null) below.push(...section(next.path, next.mapping));
  }
  const heading = path === "" ? [] : [`### \`${path}\``];
  return [...heading, table(rows), ...below];
}

/** The text of docs/config.md: an introduction, then every key from the schema that checks it. */
export function configReference(): string {
  const note =
    "<!-- Made by configReference() of routes/commands/config_reference.ts; tests/config/json_schema_test.ts keeps it current. -->";
  return `${[note, INTRODUCTION.trimEnd(), ...section("", jsonSchema())].join("\n\n")}\n`;
}
