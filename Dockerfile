# syntax=docker/dockerfile:1
# Builds for linux/amd64 and linux/arm64 (Deno has no 32-bit ARM build):
#   docker buildx build --platform linux/amd64,linux/arm64 -t usher .

FROM node:24-trixie-slim AS build
ARG DENO_VERSION=2.9.6
RUN npm install --global --no-fund --no-audit "deno@${DENO_VERSION}" \
 && cp "$(deno eval --print 'Deno.execPath()')" /usr/local/bin/deno-runtime
WORKDIR /usher
ENV DENO_DIR=/deno-dir
COPY deno.json ./
# It has the digest of `sharp` too.
COPY deno.all.lock deno.lock
COPY main.ts config.example.yaml config.schema.json ./
COPY routes/ routes/
COPY lib/ lib/
# Fetches the pinned dependencies of main.ts into DENO_DIR, and `sharp`, which is loaded only where pictures are converted; refuses a
# lock file that does not fit.
RUN deno install --frozen --entrypoint main.ts \
 && deno cache --frozen npm:sharp@0.35.5 \
 && install -d -o 10001 -g 10001 /data

FROM debian:trixie-slim
LABEL org.opencontainers.image.title="usher" \
      org.opencontainers.image.description="Caching gateway in front of TMDB and other HTTP upstreams" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /usr/local/bin/deno-runtime /usr/local/bin/deno
COPY --from=build /deno-dir /deno-dir
COPY --from=build /usher /usher
COPY config.example.yaml /etc/usher/config.yaml
COPY --from=build --chown=10001:10001 /data /data
# Everything but /data may be read-only: nothing is downloaded, compiled into a cache or asked for at run time. Commands find the
# running gateway by what it notes in USHER_RUN_DIR.
ENV DENO_DIR=/deno-dir \
    USHER_RUN_DIR=/data \
    DENO_NO_UPDATE_CHECK=1 \
    NO_COLOR=1
# Here `data_dir: ./data`, the default, is /data.
WORKDIR /
USER 10001:10001
VOLUME /data
EXPOSE 6635
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["deno", "run", "--cached-only", "--frozen", "--no-code-cache", "--no-prompt", \
  "--allow-net", "--allow-read", "--allow-env", \
  "/usher/main.ts", "health", "--config", "/etc/usher/config.yaml"]
ENTRYPOINT ["deno", "run", "--cached-only", "--frozen", "--no-code-cache", "--no-prompt", \
  "--allow-net", "--allow-read", "--allow-env", "--allow-write", "--allow-sys=statfs", "/usher/main.ts"]
CMD ["start", "--config", "/etc/usher/config.yaml"]
