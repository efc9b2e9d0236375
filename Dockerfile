# Builds for linux/amd64 and linux/arm64 (Deno has no 32-bit ARM build):
#   docker build -t usher .
# What it starts from can be named by digest, as the release does: --build-arg BASE_IMAGE=debian:trixie-slim@sha256:...
ARG NODE_IMAGE=node:24-trixie-slim
ARG BASE_IMAGE=debian:trixie-slim

# hadolint ignore=DL3006
FROM ${NODE_IMAGE} AS build
ARG DENO_VERSION=2.9.6
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && npm install --global --no-fund --no-audit "deno@${DENO_VERSION}" \
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
# lock file that does not fit. Its binaries for musl come too, and are of no use here.
RUN deno install --frozen --entrypoint main.ts \
 && deno cache --frozen npm:sharp@0.35.5 \
 && find /deno-dir -path '*musl*' \( -name '*.so*' -o -name '*.node' \) -delete \
 && install -d -o 10001 -g 10001 /data

# hadolint ignore=DL3006
FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="usher" \
      org.opencontainers.image.description="Caching gateway in front of TMDB and other HTTP upstreams" \
      org.opencontainers.image.licenses="MIT"
# The system's authorities, which a bundle of your own may be mounted over; Deno has Mozilla's of its own.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /usr/local/bin/deno-runtime /usr/local/bin/deno
COPY --from=build /deno-dir /deno-dir
COPY --from=build /usher /usher
COPY deploy/docker/usher /usr/local/bin/usher
COPY config.example.yaml /etc/usher/config.yaml
COPY --from=build --chown=10001:10001 /data /data
# Everything but /data may be read-only: nothing is downloaded, compiled into a cache or asked for at run time. Commands find the
# running gateway by what it notes in USHER_RUN_DIR. The two for malloc keep what was freed from staying with the process:
# docs/tuning.md.
ENV DENO_DIR=/deno-dir \
    USHER_CONFIG=/etc/usher/config.yaml \
    USHER_RUN_DIR=/data \
    DENO_NO_UPDATE_CHECK=1 \
    MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=131072 \
    NO_COLOR=1
# Here `data_dir: ./data`, the default, is /data.
WORKDIR /
USER 10001:10001
VOLUME /data
# Clients, and the admin address with its page, which is open outside the container only where ADMIN_TOKEN is set.
EXPOSE 6635 6636
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 CMD ["usher", "health"]
ENTRYPOINT ["usher"]
CMD ["start"]
