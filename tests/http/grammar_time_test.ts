import { requestDirectives, responseDirectives } from "../../lib/http/cache_control.ts";
import { negotiateCoding } from "../../lib/http/content_coding.ts";
import { parseHttpDate } from "../../lib/http/http_date.ts";
import { parseRange } from "../../lib/http/ranges.ts";
import { parseDictionary } from "../../lib/http/structured_fields.ts";
import { surrogateDirectives, targetedDirectives } from "../../lib/http/targeted_cache_control.ts";
import { listMatches, weakMatch } from "../../lib/http/validators.ts";
import { normalizeSelecting, varyNames } from "../../lib/http/vary.ts";
import { FIELD_PIECES } from "../fuzz/field_targets.ts";
import { assertLinear } from "../linear_time.ts";

Deno.test("the grammar of fields takes long runs of anything in linear time", () => {
  for (const piece of [...FIELD_PIECES, "(", "a;", "a=", "a, ", '"\\', "a ", " a", ";q", "bytes=0-,", 'W/"']) {
    const long = (times: number) => piece.repeat(times * 3_000 / piece.length);
    assertLinear((times) => takeAll(long(times)), piece);
    assertLinear((times) => takeAll(`a${long(times)}a`), `a${piece}a`);
  }
});

/** Hands a text to everything that reads one. */
function takeAll(text: string): void {
  responseDirectives(text);
  requestDirectives(text);
  parseDictionary(text.slice(0, 16_000));
  targetedDirectives(text.slice(0, 16_000));
  surrogateDirectives(text);
  varyNames(text);
  listMatches(text, text, weakMatch);
  parseHttpDate(text, 0);
  negotiateCoding(text, ["gzip"]);
  normalizeSelecting("accept", text);
  normalizeSelecting("foo", text);
  parseRange(text, 100);
  parseRange(`bytes=${text}`, 100);
}
