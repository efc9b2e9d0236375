import type { CheckRequest, CheckResponse, CheckSendOptions, CheckTransport } from "../../lib/health/check.ts";

/** How the next check is answered: a status with a body, a failure, or never. */
export type Answer = { status: number; text?: string } | { failure: string } | "never";

/** A transport that answers as a test says; `answer` may be changed at any time. */
export class ScriptedTransport implements CheckTransport {
  answer: Answer;
  readonly requests: CheckRequest[] = [];
  cancelled = 0;

  constructor(answer: Answer = { status: 200 }) {
    this.answer = answer;
  }

  send(request: CheckRequest, options: CheckSendOptions): Promise<CheckResponse> {
    this.requests.push(request);
    const answer = this.answer;
    if (answer === "never") return never(options.signal);
    if ("failure" in answer) return Promise.reject(Object.assign(new Error("secret detail"), { kind: answer.failure }));
    const chunks = [new TextEncoder().encode(answer.text ?? "")];
    return Promise.resolve({
      status: answer.status,
      fields: [],
      body: { read: () => Promise.resolve(chunks.shift() ?? null), cancel: () => void this.cancelled++ },
    });
  }
}

function never(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
}
