# One image for every process of Hubnetz; the command says which it becomes. `docker build --tag hubnetz:0.1.0 .`
# Behind a package mirror: --build-arg PIP_INDEX_URL=<address> --build-arg UV_DEFAULT_INDEX=<address>, without a login in it:
# the history of the first stage keeps build arguments.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 UV_CACHE_DIR=/cache
# The pin of deploy/bootstrap.py, which brings the same uv.
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore uv==0.13.9

WORKDIR /source
COPY requirements-image.lock ./
RUN --mount=type=cache,target=/cache \
    uv venv --quiet /opt/hubnetz/venv \
 && uv pip sync --require-hashes --python /opt/hubnetz/venv/bin/python requirements-image.lock

# The project lies beside its dependencies, so that a release which changes no dependency is a layer of a few MB.
COPY pyproject.toml README.md LICENSE requirements-build.lock ./
COPY contracts contracts
COPY hubkit hubkit
COPY services services
COPY deploy deploy
RUN --mount=type=cache,target=/cache \
    uv build --wheel --require-hashes --build-constraints requirements-build.lock --out-dir /wheel \
 && uv pip install --no-deps --python /opt/hubnetz/venv/bin/python --target /opt/hubnetz/app /wheel/*.whl \
 && echo /opt/hubnetz/app > /hubnetz.pth

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="Hubnetz" org.opencontainers.image.licenses="EUPL-1.2"
RUN groupadd --gid 10001 hubnetz \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin hubnetz
COPY --from=build /opt/hubnetz/venv /opt/hubnetz/venv
COPY --from=build /hubnetz.pth /opt/hubnetz/venv/lib/python3.13/site-packages/
COPY --from=build /opt/hubnetz/app /opt/hubnetz/app
ENV PATH=/opt/hubnetz/app/bin:/opt/hubnetz/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TZ=UTC
# `docker run --rm --user $(id -u) -v .:/hub <image> hubnetz init`
WORKDIR /hub
USER 10001:10001
CMD []
