#!/bin/sh
# Train MST-GCN on several GPUs, as the script of this name in its repository does:
#     sh run.sh GPUS COUNT PORT SLEEP [flags of main.py]      for example: sh run.sh 0,1,2,3 4 2022 0
# GPUS are their numbers, COUNT how many, PORT any free one, SLEEP the seconds to wait before. Eight clips go through each
# GPU at a time, as published. Another network, data set or stream: --config and --stream among the flags.
set -eu
if [ $# -lt 4 ]; then
    echo "usage: sh run.sh GPUS COUNT PORT SLEEP [flags of main.py]" >&2
    exit 2
fi
gpus=$1 count=$2 port=$3 pause=$4
shift 4
sleep "$pause"
# shellcheck disable=SC2046
CUDA_VISIBLE_DEVICES=$gpus exec python3 -m torch.distributed.run --nproc-per-node "$count" --master-port "$port" \
    "$(dirname "$0")/main.py" --config "$(dirname "$0")/config/nturgbd-cross-view/mstgcn.yaml" --stream joint \
    --device $(seq 0 $((count - 1))) --forward-batch-size $((8 * count)) "$@"
