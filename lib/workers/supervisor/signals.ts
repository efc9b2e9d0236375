/** What signals ask for. */
export interface SignalActions {
  /** SIGTERM and SIGINT. */
  readonly stop: () => void;
  /** SIGHUP. */
  readonly reload: () => void;
}

/** Listens to the signals that this system has; the answer stops listening. */
export function onSignals(actions: SignalActions): () => void {
  const isWindows = Deno.build.os === "windows";
  const wanted: [Deno.Signal, () => void][] = [
    ["SIGINT", actions.stop],
    [isWindows ? "SIGBREAK" : "SIGTERM", actions.stop],
    ["SIGHUP", actions.reload],
  ];
  for (const [signal, action] of wanted) Deno.addSignalListener(signal, action);
  return () => {
    for (const [signal, action] of wanted) Deno.removeSignalListener(signal, action);
  };
}
