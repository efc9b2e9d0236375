/** 24 random characters, as good secrets are. */
export function secret(): string {
  return crypto.getRandomValues(new Uint8Array(18)).toBase64({ alphabet: "base64url" });
}

/** A key of TMDB's form. */
export function apiKey(): string {
  return crypto.getRandomValues(new Uint8Array(16)).toHex();
}

/** Pieces of text that would give a secret away: plain, percent-encoded, in JSON's escapes, in base64 at any place of another text. */
function spellings(text: string): string[] {
  const codes = [...text].map((character) => character.charCodeAt(0));
  const hex = (code: number, width: number) => code.toString(16).padStart(width, "0");
  const base64 = [0, 1, 2].map((offset) => {
    const whole = btoa("x".repeat(offset) + text);
    // The characters at its ends depend on what stands beside it.
    return whole.slice(offset === 0 ? 0 : 4, Math.floor((offset + text.length) / 3) * 4);
  });
  return [
    text,
    encodeURIComponent(text),
    codes.map((code) => `%${hex(code, 2)}`).join(""),
    codes.map((code) => `%${hex(code, 2).toUpperCase()}`).join(""),
    codes.map((code) => `\\u${hex(code, 4)}`).join(""),
    ...base64,
    ...base64.map((piece) => piece.replaceAll("+", "-").replaceAll("/", "_")),
  ];
}

/** Which secrets are in which outputs, in whatever spelling: lines of the form `name of the secret: name of the output: what stands there`. */
export function leaks(secrets: Readonly<Record<string, string>>, outputs: ReadonlyMap<string, string>): string[] {
  return Object.entries(secrets).flatMap(([name, text]) => {
    const spelled = spellings(text);
    return [...outputs].flatMap(([output, shown]) => {
      const found = spelled.find((spelling) => shown.includes(spelling));
      if (found === undefined) return [];
      const at = shown.indexOf(found);
      return [`${name}: ${output}: …${JSON.stringify(shown.slice(Math.max(0, at - 80), at + found.length + 20))}…`];
    });
  });
}
