import { z } from "zod";
import { fileSchema, partSchema } from "./config.ts";

/** One level of a JSON Schema (draft 2020-12), as far as this configuration uses it. */
export interface JsonSchema {
  $schema?: string;
  title?: string;
  description?: string;
  type?: string;
  default?: unknown;
  const?: unknown;
  enum?: readonly unknown[];
  pattern?: string;
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  anyOf?: JsonSchema[];
  properties?: Record<string, JsonSchema>;
  propertyNames?: JsonSchema;
  additionalProperties?: boolean | JsonSchema;
  required?: string[];
  items?: JsonSchema;
}

/** What the schema notes beside JSON Schema's own keywords. */
interface Notes {
  /** A short form that may stand in the place of the long one; `item` is one item of the list. */
  shorthand?: JsonSchema | "item";
  /** A default that depends on other keys: zod has none for it. */
  usual?: unknown;
}

/** Moves notes into the schema proper. */
function applyNotes(schema: JsonSchema & Notes): void {
  const { shorthand, usual, description, default: standard = usual, ...long } = schema;
  if (shorthand === undefined && usual === undefined) return;
  for (const key of Object.keys(schema)) delete schema[key as keyof JsonSchema];
  if (shorthand === undefined) Object.assign(schema, long);
  else schema.anyOf = [shorthand === "item" ? long.items ?? {} : shorthand, long];
  if (description !== undefined) schema.description = description;
  if (standard !== undefined) schema.default = standard;
}

/**
 * JSON Schema (draft 2020-12) of a configuration file, from the schema that checks it: every key with its description and its
 * default, `${…}` allowed for every scalar.
 */
export function jsonSchema(): JsonSchema {
  const { $schema, required = [], ...rest } = schemaOf(fileSchema);
  // What the file itself lacks may be in those that it includes.
  return { $schema, title: "Usher configuration", ...rest, anyOf: [{ required }, { required: ["include"] }] };
}

/** The same of a file that another one includes. */
export function partJsonSchema(): JsonSchema {
  const { $schema, ...rest } = schemaOf(partSchema);
  return { $schema, title: "Usher configuration, an included file", ...rest };
}

function schemaOf(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, {
    io: "input",
    override: ({ jsonSchema: level }) => applyNotes(level as JsonSchema & Notes),
  }) as JsonSchema;
}

/** The text of config.schema.json. */
export function jsonSchemaText(): string {
  return `${JSON.stringify(jsonSchema(), null, 2)}\n`;
}
