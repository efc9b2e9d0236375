/** Collects lines and writes them together, so that an access line costs a string, not a system call. */
export class LineBuffer {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #limitChars: number;
  #pending = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `write` takes the bytes of whole lines and returns when they are written. */
  constructor(write: (bytes: Uint8Array) => void, limitChars = 16_384) {
    this.#write = write;
    this.#limitChars = limitChars;
  }

  /** Takes a line with its line feed; it is written within 20 ms. */
  readonly push = (line: string): void => {
    this.#pending += line;
    if (this.#pending.length >= this.#limitChars) return this.flush();
    this.#timer ??= setTimeout(() => this.flush(), 20);
  };

  /** Writes what is pending now. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#pending === "") return;
    const bytes = new TextEncoder().encode(this.#pending);
    this.#pending = "";
    this.#write(bytes);
  }
}

/**
 * A line buffer over the process's standard output. Lines that it does not take (a closed pipe, a full disk) are lost: that nobody
 * can read the log is no reason to stop serving, and there is nowhere to say so.
 */
export function standardOutput(): LineBuffer {
  return new LineBuffer((bytes) => {
    try {
      for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
    } catch {
      // See above.
    }
  });
}

/** How long a reader is given before it is asked again whether it takes more. */
const FULL_PIPE_PAUSE_MS = 5;

/**
 * Writes the whole of a text to a standard stream, as fast as it is read; answers `null`, or why the rest is lost: nobody reads it any
 * more (`BrokenPipe`), or it cannot be written (a full disk).
 */
export function writeText(stream: { writeSync(bytes: Uint8Array): number }, text: string): Error | null {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) {
    try {
      at += stream.writeSync(bytes.subarray(at));
    } catch (error) {
      // A program that shares the pipe (`npx` does) may have made it one that never waits.
      if (!(error instanceof Deno.errors.WouldBlock)) return error as Error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PIPE_PAUSE_MS);
    }
  }
  return null;
}
