/** A bare server that sends what a URL gives, field for field and byte for byte: `_raw.ts PORT URL`. */
const response = await fetch(Deno.args[1]!);
const body = new Uint8Array(await response.arrayBuffer());
const headers = Object.fromEntries(response.headers);

Deno.serve(
  { hostname: "127.0.0.1", port: Number(Deno.args[0]), automaticCompression: false, onListen: () => {} },
  (_request) => new Response(body, { headers }),
);
