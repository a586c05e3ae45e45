#!/usr/bin/env bash
# Train on several GPUs, as pyskl's script of this name does:
#     bash tools/dist_train.sh CONFIG GPUS [flags of main.py]
# Every GPU gets as many clips at a time as the configuration gives one, and the learning rate follows the batch size
# (--scale-lr) where the configuration says what it is meant for; flags win. On several machines, of GPUS each, NNODES,
# NODE_RANK, MASTER_ADDR and PORT say how many, which this is, and where the first one listens.
set -euo pipefail
if [[ $# -lt 2 || ! $2 =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: bash tools/dist_train.sh CONFIG GPUS [flags of main.py]" >&2
    exit 2
fi
config=$1 gpus=$2
shift 2
root=$(cd "$(dirname "$0")/.." && pwd)
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}

flags=$(python3 - "$config" $((gpus * ${NNODES:-1})) <<'PY'
import sys
from command_line import exit_code
from engine.flags import parse

def flags(argv):
    config, _ = parse(["--config", sys.argv[1]])
    at_once = config.forward_batch_size
    if at_once != "auto":
        at_once = min(config.batch_size, at_once * int(sys.argv[2]))
    print("--forward-batch-size", at_once, *["--scale-lr"] * (config.base_batch_size is not None))
    return 0

sys.exit(exit_code(flags, None))
PY
)
where=(--nnodes "${NNODES:-1}" --node-rank "${NODE_RANK:-0}" --master-addr "${MASTER_ADDR:-127.0.0.1}"
    --master-port "${PORT:-29500}")
[[ ${NNODES:-1} != 1 || -n ${PORT:-} ]] || where=(--standalone)
# shellcheck disable=SC2046,SC2086
exec python3 -m torch.distributed.run "${where[@]}" --nproc-per-node "$gpus" "$root/main.py" \
    --config "$config" --device $(seq 0 $((gpus - 1))) $flags "$@"
