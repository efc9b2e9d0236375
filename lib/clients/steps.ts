import { type Client, TRUST_WORDS, type Way } from "./client.ts";
import { API_HOSTS, IMAGE_HOST } from "./client_table.ts";

/** One thing to do, with the command that does it or shows it. */
export interface Step {
  readonly say: string;
  readonly command: string | null;
}

/** Where a gateway is that was made for a client. */
export interface StepPlace {
  /** As clients know the machine. */
  readonly host: string;
  /** Where clients ask. */
  readonly port: number;
  /** The file of the configuration, as it is typed. */
  readonly file: string;
  /** The folder of the certificate and its authority, as it is typed. */
  readonly tlsFolder: string;
}

/** Ports where clients ask, unless another is wanted. */
export const WAY_PORTS: Readonly<Record<Way, number>> = {
  "base-url": 6635,
  "https-name": 443,
  proxy: 6637,
  dns: 443,
  prefix: 6635,
};

/** What is left to be done once there is a configuration for a way of a client, in order. */
export function stepsFor(client: Client, way: Way, place: StepPlace): Step[] {
  const config = place.file === "config.yaml" ? "" : ` --config ${place.file}`;
  return [
    { say: "Start the gateway", command: `deno task start${config}` },
    ...leading(client, way, place),
    {
      say: "See whether the way is open, and what else it needs, in another terminal",
      command: `deno task doctor --client ${client.word}${config}`,
    },
    { say: "Ask as the client does, twice: the second time Cache-Status says hit", command: curlLine(way, place) },
  ];
}

/** How the client is led here. */
function leading(client: Client, way: Way, { host, port, tlsFolder }: StepPlace): Step[] {
  const { setting, value } = client.ways.find((one) => one.way === way)!;
  const set = setting === null || value === null
    ? []
    : [{ say: `In ${client.name}: ${setting} = ${valueOf(value, host, port)}${needed(client, way)}`, command: null }];
  const trust = { say: `Have ${client.name} trust ${tlsFolder}/ca.pem: ${TRUST_WORDS[client.trust]}`, command: null };
  switch (way) {
    case "base-url":
    case "prefix":
      return set;
    case "proxy":
      return [trust, ...set];
    case "https-name":
      return [
        {
          say: `Have the name ${host} lead to this machine, in the name server that ${client.name} asks`,
          command: null,
        },
        trust,
        ...set,
      ];
    case "dns":
      return [
        {
          say:
            `Have the name server that ${client.name} asks answer ${API_HOSTS.join(", ")} and ${IMAGE_HOST} with the ` +
            `address of ${host}; give the gateway another one, or pin addresses with resolve`,
          command: null,
        },
        trust,
      ];
  }
}

function needed({ needs }: Client, way: Way): string {
  return way !== "base-url" || needs.startsWith("nothing") ? "" : `; needs ${needs}`;
}

function valueOf(value: string, host: string, port: number): string {
  const origin = `http://${host}:${port}`;
  return value.replaceAll("{base}", origin).replaceAll("{proxy}", origin).replaceAll("{prefix}", `${origin}/api/`)
    .replaceAll("{name}", host + (port === 443 ? "" : `:${port}`));
}

const CURL = "curl -sSD- -o /dev/null";
const DOCUMENT = "/3/movie/550";

function curlLine(way: Way, { host, port, tlsFolder }: StepPlace): string {
  const [api] = API_HOSTS;
  const trusting = `--cacert ${tlsFolder}/ca.pem`;
  switch (way) {
    case "base-url":
      return `${CURL} http://${host}:${port}${DOCUMENT}`;
    case "prefix":
      return `${CURL} http://${host}:${port}/api/https://${api}${DOCUMENT}`;
    case "https-name":
      return `${CURL} ${trusting} https://${host}${port === 443 ? "" : `:${port}`}${DOCUMENT}`;
    case "proxy":
      return `${CURL} -x http://${host}:${port} ${trusting} https://${api}${DOCUMENT}`;
    case "dns":
      return `${CURL} --connect-to ${api}:443:${host}:${port} ${trusting} https://${api}${DOCUMENT}`;
  }
}
