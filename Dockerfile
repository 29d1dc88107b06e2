ARG BUILD_IMAGE=rust:1.95-slim-bookworm
ARG RUN_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
ARG REVISION=unknown
WORKDIR /build
COPY . .
RUN ADDRESSBOOK_COMMIT=${REVISION} cargo build --release --locked && mkdir /data

FROM ${RUN_IMAGE}
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="addressbook" \
      org.opencontainers.image.description="A self-hosted address book for everyone who sends messages: one binary, one SQLite file" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /build/target/release/addressbook /usr/local/bin/addressbook
# The volume's first owner: a new volume takes it over from the image.
COPY --from=build --chown=65532:65532 /data /data
ENV ADDRESSBOOK_DATABASE=/data/addressbook.db ADDRESSBOOK_LISTEN=0.0.0.0:8080
USER 65532:65532
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["/usr/local/bin/addressbook", "healthcheck", "--ready"]
ENTRYPOINT ["/usr/local/bin/addressbook"]
CMD ["serve"]
