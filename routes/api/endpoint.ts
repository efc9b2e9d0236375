import { z } from "zod";
import type { AdminRole } from "../../lib/config/admin.ts";
import type { Caller } from "../../lib/admin/auth.ts";
import type { AdminView } from "./admin_view.ts";

/** A value as it is shown: nothing is changed any more, and what a schema leaves open may be anything. */
export type Shown<T> = T extends readonly (infer I)[] ? readonly Shown<I>[]
  : T extends object ? { readonly [K in keyof T as string extends K ? never : K]: Shown<T[K]> }
  : T;

/** What an endpoint is called with: all of it checked. */
export interface Call<P, Q, B> extends Caller {
  readonly view: AdminView;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly request: Request;
}

/** What is said of an endpoint, and what it does. */
export interface EndpointDeclaration<
  P extends z.ZodType,
  Q extends z.ZodType,
  B extends z.ZodType,
  A extends z.ZodType,
> {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Below `/api/v1`; parts in braces are parameters: `/pools/{name}`. */
  readonly path: string;
  /** Where the same stands beside that, for who knows it from before `/api/v1`; the same parameters. */
  readonly formerly?: string;
  /** The least that a caller's role has to open. */
  readonly role: AdminRole;
  /** What it does, in one line. */
  readonly summary: string;
  readonly params?: P;
  /** Of the query, whose values are all text. */
  readonly query?: Q;
  /** Of the JSON that is sent. */
  readonly body?: B;
  /** A body that is taken, for the document. */
  readonly example?: z.input<B>;
  /** @default {200}, or 204 without {@linkcode answer} */
  readonly status?: number;
  /** What is answered where it is done; `undefined` for nothing. It documents and is held by tests, at run time it costs nothing. */
  readonly answer?: A;
  /** Media types of that, where it is no JSON: then a `Response` is answered. */
  readonly media?: readonly string[];
  /** Statuses of problems that are its own, with the reason. */
  readonly problems?: Readonly<Record<number, string>>;
  /** @throws {Problem} where it is not done */
  readonly handle: (
    call: Call<z.output<P>, z.output<Q>, z.output<B>>,
  ) => Shown<z.input<A>> | Response | Promise<Shown<z.input<A>> | Response>;
}

/** An endpoint of any kind. */
// deno-lint-ignore no-explicit-any -- the checks of its kind are done where it is declared
export type Endpoint = EndpointDeclaration<any, any, any, any>;

/** Declares an endpoint: from it come its route and its part of the OpenAPI document. */
export function endpoint<
  P extends z.ZodType = z.ZodUndefined,
  Q extends z.ZodType = z.ZodUndefined,
  B extends z.ZodType = z.ZodUndefined,
  A extends z.ZodType = z.ZodUndefined,
>(declaration: EndpointDeclaration<P, Q, B, A>): Endpoint {
  return declaration;
}
