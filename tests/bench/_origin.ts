/** An origin that sends cacheable bytes: `_origin.ts PORT BYTES`. */
const bytes = Number(Deno.args[1]);
const body = crypto.getRandomValues(new Uint8Array(Math.min(bytes, 65_536)));
const whole = new Uint8Array(bytes);
for (let at = 0; at < bytes; at += body.byteLength) whole.set(body.subarray(0, bytes - at), at);
const headers = {
  "content-type": bytes > 10_000 ? "image/jpeg" : "application/json",
  "cache-control": "public, max-age=3600",
  "etag": '"a1b2c3d4"',
};

Deno.serve(
  { hostname: "127.0.0.1", port: Number(Deno.args[0]), automaticCompression: false, onListen: () => {} },
  () => new Response(whole, { headers }),
);
