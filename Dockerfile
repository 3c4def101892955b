# syntax=docker/dockerfile:1
# One image for every role of anb: docker build -t anb .

FROM golang:1.26-bookworm AS build
WORKDIR /src
ARG VERSION=""
# The whole tree, .git included, is only mounted: the version comes from git
# unless VERSION is given, and nothing of it lands in a layer.
RUN --mount=type=bind,target=. \
    --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    git config --global --add safe.directory /src && \
    version=${VERSION:-$(git describe --tags --always 2>/dev/null || echo unknown)} && \
    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X anb/cmd.version=$version" -o /out/anb .

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="anb" \
      org.opencontainers.image.description="The platform of the ANB Rising Stars Showcase: API, workers, dashboard" \
      org.opencontainers.image.vendor="Asociación Nacional de Baloncesto"
RUN apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates ffmpeg && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log && \
    groupadd --gid 10001 anb && \
    useradd --uid 10001 --gid 10001 --home-dir /app --no-create-home --shell /usr/sbin/nologin anb && \
    install -d -o anb -g anb -m 0750 /app /app/uploads /app/processed_videos /app/logs /app/data
ARG VERSION=""
LABEL org.opencontainers.image.version="$VERSION"
COPY --from=build /out/anb /usr/local/bin/anb
WORKDIR /app
USER 10001:10001
ENV ANB_HTTP_ADDR=0.0.0.0:8000 \
    ANB_LOG_FORMAT=json
EXPOSE 8000 5555
# Of anb serve; the other roles are asked as compose/docker-compose.yml does.
HEALTHCHECK --interval=10s --timeout=5s --start-period=90s --retries=3 CMD ["anb", "healthcheck"]
ENTRYPOINT ["anb"]
CMD ["serve"]
