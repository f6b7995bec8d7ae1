#!/usr/bin/env bash
# Runs a command where TensorFlow finds the CUDA of requirements-gpu.txt:
#
#   scripts/with_cuda.sh .venv-gpu/bin/quinoa train ...
#
# TensorFlow 2.12 looks for CUDA on the library path alone, which the loader reads when a process
# starts: too late to set from Python.
set -euo pipefail

# The environment is the one whose command is run.
command=$(command -v -- "$1") || { echo "quinoa: there is no command $1." >&2; exit 1; }
venv=$(cd "$(dirname -- "$command")/.." && pwd)
nvidia=$venv/lib/python3.10/site-packages/nvidia
if [[ ! -d $nvidia ]]; then
    echo "quinoa: $venv has no CUDA: run make GPU=1 setup, and name a command of .venv-gpu." >&2
    exit 1
fi
for library in "$nvidia"/*/lib; do
    LD_LIBRARY_PATH=$library${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
done
export LD_LIBRARY_PATH
# ptxas and libdevice, for XLA.
export XLA_FLAGS="${XLA_FLAGS:+$XLA_FLAGS }--xla_gpu_cuda_data_dir='$nvidia/cuda_nvcc'"
exec "$@"
