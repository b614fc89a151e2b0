# One image for every worker role and for the command line; Kafka runs elsewhere.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY requirements/build.txt requirements/worker.txt requirements/
RUN python -m venv /build && /build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt \
    && python -m venv /opt/walletstream \
    && /opt/walletstream/bin/pip install --no-cache-dir --require-hashes -r requirements/worker.txt
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY streams streams
COPY agents agents
COPY ops ops
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/walletstream/bin/pip install --no-cache-dir --no-deps dist/*.whl

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/walletstream walletstream
COPY --from=build /opt/walletstream /opt/walletstream
ENV PATH=/opt/walletstream/bin:$PATH PYTHONUNBUFFERED=1 WALLETSTREAM_DATA_DIR=/var/lib/walletstream
USER walletstream
WORKDIR /var/lib/walletstream
VOLUME /var/lib/walletstream
EXPOSE 6066
ENTRYPOINT ["walletstream"]
CMD ["--help"]
