# seqlab with all extras, for a CPU:
#     docker build --build-arg TORCH_INDEX=ADDRESS -t seqlab .
#     docker run --rm -v "$PWD:/lab" seqlab train brackets-lstm
# ADDRESS is the index of CPU builds that PyTorch's installation page shows for "Pip" and "CPU". Without it, PyTorch may
# come as a build for GPUs of several gigabytes.
FROM python:3.12-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /src
COPY constraints.txt pyproject.toml setup.py README.md LICENSE ./
ARG TORCH_INDEX=""
RUN pip install --no-cache-dir --constraint constraints.txt setuptools \
    && pip install --no-cache-dir --constraint constraints.txt ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch
COPY src src
RUN pip install --no-cache-dir --constraint constraints.txt --no-build-isolation '.[all]'

# Run folders are written to /lab/runs, derived data to the cache.
WORKDIR /lab
ENTRYPOINT ["seqlab"]
