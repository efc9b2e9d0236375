export { handle as proxyHandler } from "../lib/pipeline/pipeline.ts";
