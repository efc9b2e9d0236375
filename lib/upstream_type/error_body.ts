import type { GatewayError } from "../errors.ts";

/** An error response in the shape that clients of the type understand. */
export interface ErrorBody {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** An error as problem details (RFC 9457). */
export function problemDetails(error: GatewayError, requestId: string): ErrorBody {
  const body = {
    type: `urn:usher:error:${error.code}`,
    title: error.message,
    status: error.status,
    detail: error.hint,
    code: error.code,
    request_id: requestId,
  };
  return { status: error.status, contentType: "application/problem+json", body: JSON.stringify(body) };
}
