# The base needs python3 (3.11 or newer) with venv and pip, and CA certificates. All stages use the same base, because
# a virtual environment only works with the interpreter that created it. The image has no more of it than that needs.
ARG BASE=python:3.13-slim-bookworm
# The build fails if this is not the version in exporter/__init__.py, so the label is always correct.
ARG VERSION=0.2.0


# Dependencies, in a stage and layer of their own, which a code change does not invalidate.
FROM ${BASE} AS dependencies
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPYCACHEPREFIX=/opt/exporter/bytecode
WORKDIR /src
COPY requirements.txt ./
# Without pip: nothing is installed at run time, and what is absent needs no patches. Without the dependencies' own
# programs for the same reason; what stays in bin are links to the interpreter.
RUN python3 -m venv --without-pip /opt/exporter \
    && python3 -m pip --python /opt/exporter/bin/python install --no-compile \
        --require-hashes --only-binary :all: --requirement requirements.txt \
    && find /opt/exporter/bin -type f -delete
# The official images have no bytecode of the standard library, and a read-only root cannot store any: without this,
# every start would compile it. Checked by hash, because some builders rewrite modification times.
RUN /opt/exporter/bin/python -m compileall -q -j 0 --invalidation-mode checked-hash \
        -x '/(ensurepip|idlelib|lib2to3|pip|pydoc_data|tests?|tkinter|turtledemo)/' \
        /opt/exporter/lib "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"


# The exporter itself, in the same directory.
FROM ${BASE} AS application
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPYCACHEPREFIX=/opt/exporter/bytecode
WORKDIR /src
COPY requirements-build.txt ./
RUN python3 -m venv --without-pip /opt/build \
    && python3 -m pip --python /opt/build/bin/python install --no-compile \
        --require-hashes --only-binary :all: --requirement requirements-build.txt \
    && python3 -m venv --without-pip /opt/exporter
COPY LICENSE README.md pyproject.toml ./
COPY docs/runbooks docs/runbooks
COPY helm/pingone-flow-exporter/files/rules helm/pingone-flow-exporter/files/rules
COPY exporter exporter
ARG VERSION
RUN python3 -m pip --python /opt/build/bin/python wheel --no-index --no-deps --no-build-isolation \
        --wheel-dir wheels . \
    && python3 -m pip --python /opt/exporter/bin/python install --no-compile --no-index --no-deps \
        --find-links wheels "pingone-flow-exporter==${VERSION}" \
    && /opt/exporter/bin/python -m compileall -q --invalidation-mode checked-hash /opt/exporter/lib


# The interpreter and what it loads, without a shell. Depends on the dependencies, not on the exporter's code.
FROM dependencies AS root
COPY docs/image_root.py ./
RUN python3 image_root.py /image


FROM scratch
COPY --from=root /image /
COPY --from=dependencies /opt/exporter /opt/exporter
COPY --from=application /opt/exporter/lib /opt/exporter/lib
COPY --from=application /opt/exporter/bytecode /opt/exporter/bytecode
COPY --from=application /opt/exporter/bin/pingone-flow-exporter /opt/exporter/bin/
# PATH, so that `kubectl exec POD -- pingone-flow-exporter probe` works without a shell or a path.
ENV PATH=/opt/exporter/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPYCACHEPREFIX=/opt/exporter/bytecode \
    PYTHONUNBUFFERED=1
WORKDIR /
# Numeric, because the kubelet cannot check whether a user name is root (runAsNonRoot).
USER 65532:65532
EXPOSE 9988
ENTRYPOINT ["/opt/exporter/bin/pingone-flow-exporter"]
ARG BASE
ARG REVISION=""
ARG VERSION
LABEL org.opencontainers.image.title="pingone-flow-exporter" \
      org.opencontainers.image.description="Prometheus exporter that watches PingOne federations with synthetic OIDC authorize requests" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
