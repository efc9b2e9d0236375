/**
 * What takes long to start, for the tests of a file that want the same of it: started by the first that asks, ended after the last test
 * of the file. Each test has to leave it as the next one wants it.
 */
export function sharedByTests<T>(start: (stack: AsyncDisposableStack) => Promise<T>): () => Promise<T> {
  const stack = new AsyncDisposableStack();
  let started: Promise<T> | null = null;
  Deno.test.afterAll(() => stack.disposeAsync());
  return () => started ??= start(stack);
}
