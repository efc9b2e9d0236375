import { STATUS_CODES } from "node:http";

/** One thing that is wrong with a request. */
export interface Fault {
  readonly detail: string;
  /** Where in the body that is, as a JSON pointer (RFC 6901) in a URI fragment; absent for what is no part of it. */
  readonly pointer?: string;
}

/** What a {@linkcode Problem} says beside its status and detail. */
export interface ProblemFacts {
  readonly errors?: readonly Fault[];
  /** Further members (RFC 9457 §3.2). */
  readonly more?: Readonly<Record<string, unknown>>;
  readonly fields?: Readonly<Record<string, string>>;
}

/** Thrown by what an endpoint does, and answered as problem details. */
export class Problem extends Error {
  override readonly name = "Problem";

  constructor(readonly status: number, detail: string, readonly facts: ProblemFacts = {}) {
    super(detail);
  }

  /** Problem details (RFC 9457). */
  response(): Response {
    const { errors, more, fields } = this.facts;
    const title = STATUS_CODES[this.status] ?? "Error";
    const body = { type: "about:blank", title, status: this.status, detail: this.message, errors, ...more };
    return new Response(JSON.stringify(body), {
      status: this.status,
      headers: { ...fields, "content-type": "application/problem+json" },
    });
  }
}
