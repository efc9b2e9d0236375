import { z } from "zod";
import type { Endpoint } from "./endpoint.ts";
import { API_BASE } from "./routes.ts";

type Json = Readonly<Record<string, unknown>>;

const PROBLEM_SCHEMA = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  errors: z.array(z.object({ detail: z.string(), pointer: z.string().optional() })).optional(),
});

/** Statuses of problems that every endpoint may answer. */
const COMMON_PROBLEMS: Readonly<Record<number, string>> = {
  401: "No token, or one that opens nothing",
  403: "The token's role does not open this, or a page of another origin asks",
  429: "Too many wrong tokens came from this address",
};

/** The OpenAPI 3.1 document of these endpoints. */
export function openApiDocument(endpoints: readonly Endpoint[], version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const endpoint of endpoints) {
    (paths[endpoint.path] ??= {})[endpoint.method.toLowerCase()] = operationOf(endpoint);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Usher's admin API",
      version,
      description:
        "What a running gateway shows and what it can be told. Changes need a token whose role is operate, " +
        "unless the gateway has no token and serves this machine alone.",
    },
    servers: [{ url: API_BASE }],
    security: [{ token: [] }, {}],
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: { Problem: schemaOf(PROBLEM_SCHEMA, "output") },
    },
  };
}

function operationOf(endpoint: Endpoint): Json {
  const { method, path, role, summary, query, params, body } = endpoint;
  const parameters = [...parametersOf(params, "path"), ...parametersOf(query, "query")];
  return {
    operationId: operationId(method, path),
    summary,
    tags: [path.split("/")[1]],
    "x-role": role,
    ...parameters.length === 0 ? {} : { parameters },
    ...body === undefined ? {} : { requestBody: { required: true, content: { "application/json": bodyOf(endpoint) } } },
    responses: { ...successOf(endpoint), ...problemsOf(endpoint) },
  };
}

function bodyOf({ body, example }: Endpoint): Json {
  return { schema: schemaOf(body, "input"), ...example === undefined ? {} : { example } };
}

/** `getPoolsByName` of `GET /pools/{name}`. */
function operationId(method: string, path: string): string {
  const words = path.split(/[/.-]/).flatMap((part) => part.startsWith("{") ? ["by", part.slice(1, -1)] : part || []);
  return method.toLowerCase() + words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join("");
}

function parametersOf(schema: z.ZodType | undefined, place: "path" | "query"): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(schema, "input") as {
    readonly properties?: Readonly<Record<string, Json>>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: place === "path" || required.includes(name),
    ...description === undefined ? {} : { description },
    schema: rest,
  }));
}

function successOf(
  { answer, media, status = answer === undefined && media === undefined ? 204 : 200 }: Endpoint,
): Json {
  const kinds = media ?? (answer === undefined ? [] : ["application/json"]);
  const schema = answer === undefined ? {} : { schema: schemaOf(answer, "output") };
  const content = Object.fromEntries(kinds.map((kind) => [kind, schema]));
  return { [status]: { description: "Done", ...kinds.length === 0 ? {} : { content } } };
}

function problemsOf({ problems = {}, body, query }: Endpoint): Json {
  const ofInput = {
    ...body === undefined ? {} : {
      400: "The body is no JSON",
      413: "The body is too large",
      415: "The body is not sent as application/json",
    },
    ...body === undefined && query === undefined ? {} : { 422: "Something in the request cannot be used" },
  };
  const content = { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } };
  const all: Record<string, string> = { ...COMMON_PROBLEMS, ...ofInput, ...problems };
  return Object.fromEntries(Object.entries(all).map(([status, description]) => [status, { description, content }]));
}

function schemaOf(schema: z.ZodType, io: "input" | "output"): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any", override: plainer });
  return rest;
}

/** What zod adds for itself says nothing to a reader: the bounds of numbers, the pattern of a time. */
function plainer({ jsonSchema: level }: { readonly jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (level.format === "date-time") delete level.pattern;
  if (level.minimum === Number.MIN_SAFE_INTEGER) delete level.minimum;
  if (level.maximum === Number.MAX_SAFE_INTEGER) delete level.maximum;
}
