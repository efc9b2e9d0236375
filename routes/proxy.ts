export { handle as proxyHandler } from "../lib/proxy/pipeline.ts";
