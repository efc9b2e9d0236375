import type { ServiceEnvironment } from "../../lib/migration/compose_file.ts";

/** A service that was told `variables`, each in a line of its own. */
export function seedService(
  variables: Readonly<Record<string, string>>,
  { name = null, published = [], local = [] }: {
    readonly name?: string | null;
    readonly published?: ReadonlyArray<readonly [inside: number, outside: number]>;
    readonly local?: readonly number[];
  } = {},
): ServiceEnvironment {
  const placed = Object.entries(variables).map(([key, value], index) =>
    [key, { value, file: "seed.env", line: index + 1, column: 1 }] as const
  );
  return { name, image: null, variables: new Map(placed), published: new Map(published), localPorts: new Set(local) };
}
