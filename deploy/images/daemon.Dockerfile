# The sidecar, in the place of amazon/aws-xray-daemon: the same paths, user id, ports and entrypoint.
# Context: target/images/daemon, which `cargo xtask images` fills.
FROM scratch
ARG TARGETARCH
COPY ${TARGETARCH}/ /
# A spool that is mounted here, and named with --spool-dir, belongs to the daemon.
COPY --chown=10001:10001 spool/ /var/spool/xray/
LABEL org.opencontainers.image.title="roentgen-daemon" \
      org.opencontainers.image.description="Takes X-Ray segments on port 2000 and sends them to AWS X-Ray, a Roentgen server, or both" \
      org.opencontainers.image.licenses="Apache-2.0"
# By number: Kubernetes' runAsNonRoot does not believe names.
USER 10001:10001
EXPOSE 2000/udp 2000/tcp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=1s --retries=3 CMD ["/xray", "healthcheck"]
# Arguments of a container follow these, and of a flag that is given twice the last one counts.
ENTRYPOINT ["/xray", "-t", "0.0.0.0:2000", "-b", "0.0.0.0:2000"]
