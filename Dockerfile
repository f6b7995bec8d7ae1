# Quinoa in a container, for the CPU or for CUDA 11.8; docs/installation.md has the commands.
#
#   docker build --tag=quinoa .
#   docker build --tag=quinoa:gpu --build-arg=DEVICE=gpu .
#
# With RAY=1 it is an image for the hosts of a cluster too; deploy/kubernetes/README.md has those.
ARG DEVICE=cpu

# Python 3.10 and Debian with its C library is all that the wheels need; those of requirements-gpu.txt
# hold CUDA itself, of which the host has the driver only.
FROM python:3.10-slim-bookworm AS build
ARG DEVICE
ARG RAY=
WORKDIR /build
# The packages first: they change seldom, and are most of the image.
COPY requirements.txt requirements-gpu.txt requirements-ray.txt requirements-kubernetes.txt ./
COPY scripts/install_pins.sh scripts/
ENV PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/quinoa \
    && extra= \
    && if [ "$DEVICE" = gpu ]; then extra=requirements-gpu.txt; fi \
    && if [ "$RAY" ]; then extra="$extra requirements-ray.txt requirements-kubernetes.txt"; fi \
    && scripts/install_pins.sh --running /opt/quinoa requirements.txt $extra
COPY requirements-osm.txt setup.py pyproject.toml MANIFEST.in README.md CHANGELOG.md LICENSE ./
COPY quinoa quinoa
RUN /opt/quinoa/bin/pip install --no-deps --no-build-isolation . \
    && /opt/quinoa/bin/quinoa list >/dev/null

FROM python:3.10-slim-bookworm AS base
# What draws videos without a screen: OSMesa on the CPU, EGL by the driver's libraries.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libegl1 libosmesa6 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/quinoa /opt/quinoa
ENV PATH=/opt/quinoa/bin:$PATH PYTHONUNBUFFERED=1
# Nobody's in particular, so that --user=UID:GID can name the one that the runs are to belong to.
RUN useradd --create-home --uid=1000 quinoa \
    && install --directory --mode=1777 /project
ENV HOME=/tmp
USER quinoa
WORKDIR /project

FROM base AS cpu
ENTRYPOINT ["quinoa"]
CMD ["--help"]

FROM base AS gpu
# What the container asks of NVIDIA's runtime: to compute, to be watched, and to draw.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics
# Where TensorFlow finds CUDA, whatever starts it (scripts/with_cuda.sh does this elsewhere).
ENV CUDA=/opt/quinoa/lib/python3.10/site-packages/nvidia
ENV LD_LIBRARY_PATH=$CUDA/cublas/lib:$CUDA/cuda_cupti/lib:$CUDA/cuda_nvrtc/lib:$CUDA/cuda_runtime/lib:$CUDA/cudnn/lib:$CUDA/cufft/lib:$CUDA/curand/lib:$CUDA/cusolver/lib:$CUDA/cusparse/lib
ENV XLA_FLAGS=--xla_gpu_cuda_data_dir=$CUDA/cuda_nvcc
ENTRYPOINT ["quinoa"]
CMD ["--help"]

FROM ${DEVICE}
