import type { Answer, FillingAnswer, StreamingAnswer } from "../request/answer.ts";
import { clientError } from "../request/client_error.ts";
import type { Exchange } from "../request/exchange.ts";
import { isDocument, withoutContentFields } from "./json_document.ts";
import { rewrittenForm } from "./rewritten_form.ts";

/**
 * Changes the document of an answer as its listener says (`overrides`, `rewrite_image_base`): for that it has to be there whole.
 *
 * @throws {Error} when a document that is waited for breaks off
 */
export function changeDocument(exchange: Exchange, answer: Answer): Answer | Promise<Answer> {
  if (answer.kind === "filling") return changeFilling(exchange, answer);
  if (exchange.rewrite === null) return answer;
  if (answer.kind === "streaming") return changeStreaming(answer);
  if (answer.kind !== "stored" || answer.isPart) return answer;
  const response = rewrittenForm(exchange, answer.response);
  return response === answer.response ? answer : { ...answer, response };
}

function changeFilling(exchange: Exchange, answer: FillingAnswer): Answer | Promise<Answer> {
  const { head, fill, note } = answer;
  const stored = (body: Uint8Array<ArrayBuffer>): Answer => {
    const response = head.withBody(body);
    return { kind: "stored", note, response: exchange.rewrite === null ? response : rewrittenForm(exchange, response) };
  };
  if (fill.body !== null) return stored(fill.body);
  if (exchange.rewrite === null || !isDocument(head, fill.lengthBytes)) return answer;
  return fill.whole().then(stored, (error) => {
    throw clientError(error);
  });
}

/** A document that comes in as a stream is too large to be changed, or its fields alone are wanted: those it would have lost go. */
function changeStreaming(answer: StreamingAnswer): Answer {
  if (answer.askedMethod !== "HEAD" || !isDocument(answer, answer.body.lengthBytes)) return answer;
  return { ...answer, fields: withoutContentFields(answer.fields) };
}
