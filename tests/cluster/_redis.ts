export { HAS_REDIS, type Redis, redisCommand, type RedisOptions, startRedis } from "./redis_server.ts";
