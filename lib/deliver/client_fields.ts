import { endToEndFields, type Fields, fieldValue } from "../http/fields.ts";
import type { Exchange } from "../request/exchange.ts";

/** Fields of an upstream's response as a client gets them. */
export function clientFields(exchange: Exchange, fields: Readonly<Fields>): Fields {
  const { dropFields, ignoreVary } = exchange.tenant.type;
  const kept = endToEndFields(fields, fieldValue(fields, "connection")).filter(([name]) =>
    // The exchange has one id; the origin's own would stand beside it. Surrogate-Control speaks to this cache alone.
    name !== "x-request-id" && !dropFields.has(name) &&
    (name !== "surrogate-control" || exchange.tenant.policy === null)
  );
  return withVia(ignoreVary.size === 0 ? kept : withoutVary(kept, ignoreVary), exchange.services.settings.name);
}

/** `Vary` without the names that select nothing here: caches behind this one would keep a copy for each value in vain. */
function withoutVary(fields: Fields, ignored: ReadonlySet<string>): Fields {
  return fields.flatMap(([name, value]): Fields => {
    if (name !== "vary") return [[name, value]];
    const names = value.split(",").map((part) => part.trim()).filter((part) => !ignored.has(part.toLowerCase()));
    return names.length === 0 ? [] : [[name, names.join(", ")]];
  });
}

/** Adds this gateway to `Via` (RFC 9110 §7.6.3), behind those that the response came through before. */
function withVia(fields: Fields, name: string): Fields {
  const before = fieldValue(fields, "via");
  const others = before === null ? fields : fields.filter(([field]) => field !== "via");
  others.push(["via", before === null ? `1.1 ${name}` : `${before}, 1.1 ${name}`]);
  return others;
}
