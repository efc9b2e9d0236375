import type { Client, Trap, Way } from "./client.ts";

const OWN_KEY: Trap = {
  text: "its built-in key is shared by all its users, and limited",
  remedy: "give the pool a key of yours, with key_mode: replace",
  check: "own-key",
};
const ALL_TRAFFIC: Trap = {
  text: "the proxy holds for all that it asks by https, not for TMDB alone",
  remedy: "others: tunnel in forward_proxies; NO_PROXY, or its list of exceptions, for the LAN",
  check: "tunnel",
};
const HTTPS_ALONE: Trap = {
  text: "HTTP_PROXY would cut it off from plain http in the LAN",
  remedy: "set HTTPS_PROXY alone",
  check: null,
};
const SIZE_LISTS: Trap = {
  text: "where /3/configuration does not list a size, it changes its user's setting",
  remedy: "the lists are passed on whole: look for a rule of the listener that cuts them",
  check: "size-lists",
};
const JSON_ERRORS: Trap = {
  text: "it takes an error for one of TMDB's only if it is JSON",
  remedy:
    "errors here are, in TMDB's shape: look for a rule, or a program before the gateway, that answers in its place",
  check: "json-errors",
};
const IMAGE_BASE: Trap = {
  text: "it takes the address of pictures from /3/configuration",
  remedy: "leave rewrite_image_base on, or have image.tmdb.org lead here too",
  check: "image-base",
};
const BOTH_URLS: Trap = {
  text: "it asks another host for /3/configuration, so that no answer from here leads its pictures here",
  remedy: "set both URLs, that of the API and that of images",
  check: null,
};
const BARE_HOST: Trap = {
  text: "it puts https:// before what is set, and a path behind it",
  remedy: "type the host alone, without scheme and path; port 443 spares the port",
  check: "bare-host",
};
const HEAD: Trap = {
  text: "it may probe pictures by HEAD",
  remedy: "HEAD is answered from the cache: look for a rule that refuses it",
  check: "head",
};

const PROXY_VARIABLE = { way: "proxy", setting: "HTTPS_PROXY in its environment", value: "{proxy}" } as const;
const BY_DNS = { way: "dns", setting: null, value: null } as const;
const ORIGINALS = { poster: "original", backdrop: "original" } as const;
const TRUSTED = "the local authority, trusted";

/** Clients in the order in which they are shown and asked for. */
export const CLIENTS: readonly Client[] = [
  {
    word: "jellyfin",
    aliases: [],
    name: "Jellyfin",
    ways: [PROXY_VARIABLE, BY_DNS],
    needs: TRUSTED,
    known: "S",
    trust: "system",
    hasSharedKey: true,
    sizes: ORIGINALS,
    traps: [SIZE_LISTS, JSON_ERRORS, IMAGE_BASE, OWN_KEY, ALL_TRAFFIC, HTTPS_ALONE, HEAD],
  },
  {
    word: "emby",
    aliases: ["strmassistant"],
    name: "Emby with StrmAssistant",
    ways: [{ way: "base-url", setting: "Alternative MovieDb API URL and image URL", value: "{base}" }],
    needs: "both of them",
    known: "S",
    trust: "system",
    hasSharedKey: false,
    sizes: ORIGINALS,
    traps: [BOTH_URLS, HEAD],
  },
  {
    word: "emby-alone",
    aliases: [],
    name: "Emby alone",
    ways: [PROXY_VARIABLE, BY_DNS],
    needs: TRUSTED,
    known: "R",
    trust: "system",
    hasSharedKey: false,
    sizes: ORIGINALS,
    traps: [BOTH_URLS, ALL_TRAFFIC, HTTPS_ALONE, HEAD],
  },
  {
    word: "emby-toolkit",
    aliases: [],
    name: "emby-toolkit",
    ways: [{ way: "base-url", setting: "TMDB base URL", value: "{base}/3" }],
    needs: "nothing",
    known: "R",
    trust: "python",
    hasSharedKey: false,
    sizes: { poster: "w500", backdrop: "original" },
    traps: [{
      text: "its base URL ends in /3, and /3/3/… is not rewritten",
      remedy: "type the URL with /3 at its end, once",
      check: null,
    }],
  },
  {
    word: "kodi",
    aliases: [],
    name: "Kodi",
    ways: [PROXY_VARIABLE, BY_DNS],
    needs: TRUSTED,
    known: "S",
    trust: "kodi",
    hasSharedKey: true,
    sizes: ORIGINALS,
    traps: [IMAGE_BASE, OWN_KEY, ALL_TRAFFIC, {
      text: "Kodi itself fetches pictures, past the variable that its scrapers read",
      remedy: "set the proxy in Settings, System, Internet access too",
      check: null,
    }, HEAD],
  },
  {
    word: "moviepilot",
    aliases: [],
    name: "MoviePilot",
    ways: [{ way: "https-name", setting: "TMDB_API_DOMAIN and TMDB_IMAGE_DOMAIN", value: "{name}" }],
    needs: "HTTPS with a certificate that it trusts",
    known: "S",
    trust: "python",
    hasSharedKey: true,
    sizes: ORIGINALS,
    traps: [
      {
        text: "it sleeps for ever on an X-RateLimit-Remaining below 1",
        remedy: "none of TMDB's is passed on: look for a rule, or a program before the gateway, that adds one",
        check: "no-ratelimit",
      },
      {
        text: "it writes ?api_key=K&&language=zh",
        remedy: "empty and reordered parameters are one response here: look for a rule that changes the query",
        check: "empty-parameters",
      },
      BARE_HOST,
      OWN_KEY,
    ],
  },
  {
    word: "nas-tools",
    aliases: ["nastools"],
    name: "nas-tools",
    ways: [{
      way: "https-name",
      setting: "the TMDB host in its settings, where the version has one",
      value: "{name}",
    }],
    needs: "HTTPS with a certificate that it trusts",
    known: "R",
    trust: "python",
    hasSharedKey: false,
    sizes: ORIGINALS,
    traps: [BARE_HOST],
  },
  {
    word: "seerr",
    aliases: ["jellyseerr", "overseerr"],
    name: "Seerr, Jellyseerr, Overseerr",
    ways: [{ way: "proxy", setting: "Settings, Network: HTTP(S) Proxy", value: "{proxy}" }, BY_DNS],
    needs: TRUSTED,
    known: "S",
    trust: "node",
    hasSharedKey: true,
    sizes: { poster: "w600_and_h900_bestv2", backdrop: "w1920_and_h800_multi_faces" },
    traps: [
      {
        text: "browsers fetch pictures from TMDB themselves, past the proxy",
        remedy: "Settings, General: switch Image Caching on, so that Seerr fetches them",
        check: null,
      },
      {
        text: "it computes with what follows max-age=, and makes a file name of the entity tag",
        remedy: "pictures have exactly public, max-age=N and a strong tag: look for a rule that sets another",
        check: "picture-head",
      },
      {
        text: "it asks for sizes that no list has, with two slashes before the file",
        remedy: "both are served: look for a rule, or a program before the gateway that merges slashes",
        check: "unlisted-size",
      },
      OWN_KEY,
      ALL_TRAFFIC,
    ],
  },
  {
    word: "radarr",
    aliases: ["sonarr"],
    name: "Radarr, Sonarr",
    ways: [{ way: "proxy", setting: "Settings, General: Use Proxy, HTTP(S)", value: "{proxy}" }, BY_DNS],
    needs: TRUSTED,
    known: "R",
    trust: "system",
    hasSharedKey: false,
    sizes: ORIGINALS,
    traps: [
      {
        text: "its metadata come from services of its own: covers and lists of TMDB alone are asked here",
        remedy: "nothing: little will be cached for it",
        check: null,
      },
      ALL_TRAFFIC,
    ],
  },
  {
    word: "plex",
    aliases: [],
    name: "Plex",
    ways: [],
    needs: "cannot be led here: its agents take their metadata from Plex, not from TMDB's API",
    known: "R",
    trust: "system",
    hasSharedKey: false,
    sizes: ORIGINALS,
    traps: [],
  },
  {
    word: "torrserver",
    aliases: [],
    name: "TorrServer",
    ways: [{ way: "base-url", setting: "TMDB settings: API URL and image URL", value: "{base}" }],
    needs: "nothing",
    known: "R",
    trust: "system",
    hasSharedKey: false,
    sizes: { poster: "w342", backdrop: "original" },
    traps: [{ text: "versions before 2026 have no such setting", remedy: "take a newer one", check: null }],
  },
  {
    word: "lampa",
    aliases: [],
    name: "Lampa",
    ways: [{ way: "base-url", setting: "tmdb_proxy_api and tmdb_proxy_image", value: "{base}/3 and {base}" }],
    needs: "HTTPS where its page is served so",
    known: "S",
    trust: "system",
    hasSharedKey: true,
    sizes: { poster: "w300", backdrop: "w1280" },
    traps: [
      {
        text: "its page is of another origin, and reads what it may alone",
        remedy: "leave cors of the listener on",
        check: "cors",
      },
      {
        text: "it writes two slashes before the file of a picture",
        remedy: "they are one here: look for a program before the gateway that merges slashes",
        check: "unlisted-size",
      },
      OWN_KEY,
    ],
  },
  {
    word: "lampa-clones",
    aliases: ["lampa-plugins"],
    name: "Lampa clones and plugins with a prefix",
    ways: [{ way: "prefix", setting: "the address of their proxy", value: "{prefix}" }],
    needs: "the prefix that the clone puts before TMDB's URL",
    known: "R",
    trust: "system",
    hasSharedKey: true,
    sizes: { poster: "w200", backdrop: "w300" },
    traps: [
      {
        text: "their page is of another origin, and reads what it may alone",
        remedy: "leave cors of the listener on",
        check: "cors",
      },
      {
        text: "a program before the gateway that merges slashes makes http:/ of http://",
        remedy: "merge_slashes off in nginx, or prefixes with one slash",
        check: "unlisted-size",
      },
    ],
  },
  {
    word: "auto-bangumi",
    aliases: ["ostrm", "nova-video", "fenlight", "smov", "movie-web"],
    name: "Auto_Bangumi, ostrm, nova-video, Fenlight, smov, movie-web",
    ways: [
      { way: "base-url", setting: "API host and image host, where the version has them", value: "{base}" },
      { way: "https-name", setting: "API host and image host, where the version has them", value: "{name}" },
    ],
    needs: "the host alone where it asks for one, and then HTTPS",
    known: "R",
    trust: "python",
    hasSharedKey: false,
    sizes: ORIGINALS,
    traps: [],
  },
  {
    word: "tinymediamanager",
    aliases: ["tmm", "infuse"],
    name: "tinyMediaManager, Infuse",
    ways: [BY_DNS, { way: "proxy", setting: "a proxy setting, where the version has one", value: "{proxy}" }],
    needs: TRUSTED,
    known: "U",
    trust: "java",
    hasSharedKey: true,
    sizes: ORIGINALS,
    traps: [{
      text: "phones, TV sets and their boxes seldom let you install an authority",
      remedy: "there this way ends; tinyMediaManager runs on a Java that you can give one",
      check: null,
    }, OWN_KEY],
  },
  {
    word: "libraries",
    aliases: ["library"],
    name: "libraries of five languages",
    ways: [{ way: "base-url", setting: "the base URL, in most of them", value: "{base}/3" }],
    needs: "nothing, most of them",
    known: "S",
    trust: "python",
    hasSharedKey: false,
    sizes: { poster: "w500", backdrop: "original" },
    traps: [IMAGE_BASE, {
      text: "some have TMDB's address built in",
      remedy: "a proxy setting, where the language knows HTTPS_PROXY, or TMDB's own names",
      check: null,
    }],
  },
  {
    word: "curl",
    aliases: ["other", "code"],
    name: "curl and your own code",
    ways: [{ way: "base-url", setting: "the URL", value: "{base}/3/movie/550" }],
    needs: "nothing",
    known: "S",
    trust: "curl",
    hasSharedKey: false,
    sizes: { poster: "w500", backdrop: "w1280" },
    traps: [],
  },
];

/** The words of all clients. */
export const CLIENT_WORDS: readonly string[] = CLIENTS.map(({ word }) => word);

/** The client of a word or another name of it, in any case; `undefined` where there is none. */
export function clientNamed(text: string): Client | undefined {
  const word = text.trim().toLowerCase();
  return CLIENTS.find((client) => client.word === word || client.aliases.includes(word));
}

/** The names of TMDB's API that clients have built in. */
export const API_HOSTS = ["api.themoviedb.org", "api.tmdb.org"] as const;
/** The name of TMDB's pictures. */
export const IMAGE_HOST = "image.tmdb.org";

/** Whether a way goes by TMDB's own names, and so needs a certificate of an authority of one's own. */
export function usesTmdbNames(way: Way): boolean {
  return way === "proxy" || way === "dns";
}
