# Each target holds only its own slice:
#
#   python ─┬─ guest ──── browser       Chromium and the controller: no key, no AWS library
#           ├─ services ─┬─ api
#           │            ├─ provisioner
#           │            ├─ notifier
#           │            ├─ gateway
#           │            ├─ setup       makes tables, queues and keys on the stand-ins
#           │            └─ localaws    the ECS API and the pipe that no emulator has
#           ├─ ministack                DynamoDB, SQS, SNS and S3 for one machine
#           ├─ front                    spreads requests over several APIs
#           └─ prometheus               for `--profile observe`
#
# Built by Docker's classic builder, which builds all that stands above a target, and by BuildKit.

FROM debian:bookworm-slim AS python
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 tini \
 && apt-get clean && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home wallcrawler \
 && install -d -o wallcrawler /keys /public /state
COPY deploy/compose/probe /usr/local/bin/
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app
WORKDIR /app
# Where the root is read-only, this is what can be written.
VOLUME /tmp
ENTRYPOINT ["/usr/bin/tini", "--"]

# pip and what it makes stay out of the images: only /opt/venv goes on.
FROM python AS built-guest
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv \
 && apt-get clean && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml deploy/compose/requirements.py /src/
RUN python3 -m venv /opt/venv && python3 /src/requirements.py /src/pyproject.toml --only h11 uvloop websockets pyjwt structlog zstandard \
    > /src/guest.txt && pip install --no-cache-dir --requirement /src/guest.txt && pip uninstall --yes pip setuptools

FROM python AS guest
RUN apt-get update \
 && apt-get install -y --no-install-recommends chromium chromium-driver fonts-liberation libnss3-tools util-linux \
 && apt-get clean && rm -rf /var/lib/apt/lists/* /usr/share/doc /usr/share/icons /usr/share/locale/* /usr/share/man
COPY --from=built-guest /opt/venv /opt/venv

FROM guest AS browser
COPY wallcrawler/__init__.py wallcrawler/assignment.py wallcrawler/journal.py wallcrawler/lifecycle.py wallcrawler/log.py wallcrawler/tokens.py /app/wallcrawler/
COPY wallcrawler/egress /app/wallcrawler/egress
COPY wallcrawler/wire /app/wallcrawler/wire
COPY controller /app/controller
RUN python3 -m compileall -q /app
USER wallcrawler
ENV WALLCRAWLER_UPLOADS_DIR=/tmp/.uploads
EXPOSE 9223
# Seldom, because there are many browsers, and who wants one hears from it by itself.
HEALTHCHECK --interval=30s --timeout=3s --retries=3 CMD ["probe", "9223", "/health"]
CMD ["python3", "-m", "controller"]

FROM python AS built
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv \
 && apt-get clean && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml deploy/compose/requirements.py /src/
# botocore describes 400 services; those are kept that are spoken to, and those by which credentials are found.
RUN python3 -m venv /opt/venv && python3 /src/requirements.py /src/pyproject.toml aws localaws trace > /src/services.txt \
 && pip install --no-cache-dir --requirement /src/services.txt && pip uninstall --yes pip setuptools \
 && cd /opt/venv/lib/python3*/site-packages/botocore/data && find . -mindepth 1 -maxdepth 1 -type d \
    ! -name 'dynamodb*' ! -name ec2 ! -name ecs ! -name s3 ! -name sns ! -name sqs ! -name 'sso*' ! -name sts ! -name signin \
    -exec rm -rf {} +

FROM python AS built-ministack
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv \
 && apt-get clean && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/venv && pip install --no-cache-dir ministack && pip uninstall --yes pip setuptools

FROM python AS services
COPY --from=built /opt/venv /opt/venv
COPY wallcrawler /app/wallcrawler
COPY services/__init__.py /app/services/
# Files are never written there, and a process that compiles them at each start is slow to start.
RUN python3 -m compileall -q /app
USER wallcrawler

FROM services AS api
COPY services/api /app/services/api
COPY services/cli.py /app/services/
COPY deploy/compose/wallcrawler /usr/local/bin/
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=6 CMD ["probe", "8080", "/readyz"]
CMD ["python3", "-m", "services.api"]

FROM services AS provisioner
COPY services/provisioner /app/services/provisioner
EXPOSE 9100
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=6 CMD ["probe", "9100", "/metrics"]
CMD ["python3", "-m", "services.provisioner"]

FROM services AS notifier
COPY services/notifier /app/services/notifier
EXPOSE 9100
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=6 CMD ["probe", "9100", "/metrics"]
CMD ["python3", "-m", "services.notifier"]

FROM services AS gateway
COPY services/gateway /app/services/gateway
EXPOSE 9222
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=6 CMD ["probe", "9222", "/readyz"]
CMD ["python3", "-m", "services.gateway"]

FROM services AS setup
COPY services/setup.py /app/services/
CMD ["python3", "-m", "services.setup"]

FROM services AS localaws
COPY localaws /app/localaws
EXPOSE 4570
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=6 CMD ["probe", "4570", "/_localaws/health"]
CMD ["python3", "-m", "localaws"]

FROM python AS ministack
COPY --from=built-ministack /opt/venv /opt/venv
USER wallcrawler
ENV BIND_HOST=0.0.0.0
EXPOSE 4566
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=6 CMD ["probe", "4566", "/_ministack/health"]
CMD ["ministack"]

FROM python AS front
RUN apt-get update \
 && apt-get install -y --no-install-recommends haproxy \
 && apt-get clean && rm -rf /var/lib/apt/lists/*
COPY deploy/compose/haproxy.cfg /etc/haproxy/
USER wallcrawler
EXPOSE 8080
# Of this process alone: APIs have checks of their own, and come and go.
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=6 CMD ["probe", "8081", "/healthz"]
CMD ["haproxy", "-db", "-f", "/etc/haproxy/haproxy.cfg"]

FROM python AS prometheus
RUN apt-get update \
 && apt-get install -y --no-install-recommends prometheus \
 && apt-get clean && rm -rf /var/lib/apt/lists/*
COPY deploy/compose/observe/prometheus.yml /etc/prometheus/
USER wallcrawler
EXPOSE 9090
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=6 CMD ["probe", "9090", "/-/ready"]
CMD ["prometheus", "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/data", "--storage.tsdb.retention.time=2d", "--web.listen-address=:9090"]
