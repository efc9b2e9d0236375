/**
 * Prints what the programs are made of, as CycloneDX 1.6 in JSON: Usher, the packages that `deno.lock` pins with their digests, and
 * the runtime. `deno task --quiet sbom > usher.cdx.json`. An image gets its own, with the system's packages, from what builds it.
 */
import { Buffer } from "node:buffer";

const ROOT = new URL("../", import.meta.url);

/** A part, as CycloneDX lists it. */
export interface Component {
  readonly type: "application" | "library" | "platform";
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly hashes?: readonly { readonly alg: "SHA-512"; readonly content: string }[];
}

/** A list of parts, as in https://cyclonedx.org/docs/1.6/json/. */
export interface Bom {
  readonly bomFormat: "CycloneDX";
  readonly specVersion: "1.6";
  readonly version: 1;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/** What a lock file says of packages of npm, by `name@version`. */
type Locked = Readonly<Record<string, { readonly integrity: string }>>;

/** The list for a version of Usher, the packages that are locked, and the version of Deno. */
export function bomOf({ version, npm, deno }: { version: string; npm: Locked; deno: string }): Bom {
  const usher = part("application", "usher", version, `pkg:generic/usher@${version}`);
  const runtime = part("platform", "deno", deno, `pkg:generic/deno@${deno}`);
  const components = [runtime, ...Object.entries(npm).map(([key, { integrity }]) => library(key, integrity))];
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: { component: usher },
    components,
    dependencies: [{ ref: usher.purl, dependsOn: components.map(({ purl }) => purl) }],
  };
}

function part(type: Component["type"], name: string, version: string, purl: string): Component {
  return { type, "bom-ref": purl, name, version, purl };
}

/** Of `@scope/name@1.2.3`, and the digest that npm and Deno write as `sha512-` and base64. */
function library(key: string, integrity: string): Component {
  const at = key.lastIndexOf("@");
  const [name, version] = [key.slice(0, at), key.slice(at + 1)];
  const content = Buffer.from(integrity.slice("sha512-".length), "base64").toString("hex");
  const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
  return { ...part("library", name, version, purl), hashes: [{ alg: "SHA-512", content }] };
}

if (import.meta.main) {
  const read = async (path: string) => JSON.parse(await Deno.readTextFile(new URL(path, ROOT)));
  const [{ version }, { npm }] = await Promise.all([read("deno.json"), read("deno.lock")]);
  const bom = bomOf({ version, npm, deno: Deno.version.deno });
  await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(bom, null, 2)}\n`));
}
