#!/usr/bin/env bash
# Test weights on several GPUs, as pyskl's script of this name does:
#     bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [flags of main.py]
# Of these --eval top_k_accuracy mean_class_accuracy prints pyskl's figures, and --out result.pkl writes its file. NNODES,
# NODE_RANK, MASTER_ADDR and PORT are those of dist_train.sh.
set -euo pipefail
if [[ $# -lt 3 || ! $3 =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [flags of main.py]" >&2
    exit 2
fi
config=$1 checkpoint=$2 gpus=$3
shift 3
root=$(cd "$(dirname "$0")/.." && pwd)

where=(--nnodes "${NNODES:-1}" --node-rank "${NODE_RANK:-0}" --master-addr "${MASTER_ADDR:-127.0.0.1}"
    --master-port "${PORT:-29500}")
[[ ${NNODES:-1} != 1 || -n ${PORT:-} ]] || where=(--standalone)
# shellcheck disable=SC2046
exec python3 -m torch.distributed.run "${where[@]}" --nproc-per-node "$gpus" "$root/main.py" \
    --config "$config" --phase test --weights "$checkpoint" --device $(seq 0 $((gpus - 1))) "$@"
