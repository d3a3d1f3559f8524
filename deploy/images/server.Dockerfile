# The server with the console inside. Context: target/images/server, which `cargo xtask images` fills.
FROM scratch
ARG TARGETARCH
COPY ${TARGETARCH}/ /
COPY --chown=10001:10001 data/ /var/lib/roentgen/
LABEL org.opencontainers.image.title="roentgen" \
      org.opencontainers.image.description="AWS X-Ray that anyone can run: segments, the X-Ray API and the console on port 2000" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV ROENTGEN_BIND=0.0.0.0:2000 ROENTGEN_DATA_DIR=/var/lib/roentgen
USER 10001:10001
EXPOSE 2000/udp 2000/tcp
VOLUME /var/lib/roentgen
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/roentgen", "healthcheck"]
ENTRYPOINT ["/roentgen"]
