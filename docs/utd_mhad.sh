#!/usr/bin/env bash
# UTD-MHAD as recordings of one's own (docs/own_data.md), from its files to a prediction of an exported network:
#     bash docs/utd_mhad.sh RECORDINGS WORK
# RECORDINGS holds its skeletons, a1_s1_t1_skeleton.mat and so on, or utd_mhad.pkl; WORK is a new folder for everything else.
# EPOCHS=30 trains as long as docs/results.md does; the default, 5, takes four minutes on a CPU and gives 66 % top-1.
set -euo pipefail
if [[ $# -ne 2 || ! ${EPOCHS:=5} =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: [EPOCHS=N] bash docs/utd_mhad.sh RECORDINGS WORK" >&2
    exit 2
fi
recordings=$1 work=$2
if [[ -e $work ]]; then
    echo "error: $work is there already; name a new folder" >&2
    exit 2
fi
root=$(cd "$(dirname "$0")/.." && pwd)
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}

# A file of poses (T, V, C) for each recording, and who does what in it: a7_s2_t1 is the seventh action by subject 2.
python3 - "$recordings" "$work" <<'PY'
import csv, sys
from pathlib import Path

import numpy as np

from clips.class_names import class_names
from clips.read.pyskl import PysklStore
from command_line import exit_code
from errors import InputError


def poses(folder):
    if (folder / "utd_mhad.pkl").is_file():
        store = PysklStore(folder / "utd_mhad.pkl")
        for index, name in enumerate(store.names):
            yield name, store.clip(index)[..., 0].transpose(1, 2, 0)  # (C, T, V, M)
        return
    files = sorted(folder.glob("a*_s*_t*_skeleton.mat"))
    if not files:
        raise InputError(f"{folder}: neither a1_s1_t1_skeleton.mat and so on are in it nor utd_mhad.pkl")
    from scipy.io import loadmat

    for file in files:
        yield file.name.removesuffix("_skeleton.mat"), loadmat(file)["d_skel"].transpose(2, 0, 1)  # (V, C, T)


def write(argv):
    found, work = dict(poses(Path(sys.argv[1]))), Path(sys.argv[2])
    (work / "poses").mkdir(parents=True)
    with open(work / "labels.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["name", "label", "subject"])
        for name, clip in found.items():
            np.save(work / "poses" / f"{name}.npy", clip.astype(np.float32))
            action, subject, _ = name.split("_")
            rows.writerow([name, class_names("utd-mhad")[int(action[1:]) - 1], subject[1:]])
    return 0


sys.exit(exit_code(write))
PY

python3 -m data_gen.import_poses "$work/poses" --labels "$work/labels.csv" --test-subjects 2 4 6 8 \
    --classes "$root/clips/class_names/utd-mhad.txt" --skeleton "$root/config/skeletons/utd-mhad.yaml" \
    --out-folder "$work/store"
python3 "$root/main.py" --config "$work/store/train.yaml" --work-dir "$work/run" \
    --num-epoch "$EPOCHS" --step $(((EPOCHS * 2 + 2) / 3))
weights=$work/run/checkpoints/best.pt
python3 "$root/main.py" --config "$work/store/train.yaml" --phase test --weights "$weights" --work-dir "$work/test"
python3 -m engine.report "$work/run" --out "$work/report"
python3 -m engine.export --weights "$weights" --clip "$work/poses/a7_s2_t1.npy" --out "$work/model.onnx"
python3 -m engine.predict "$work/poses/a7_s2_t1.npy" --weights "$work/model.onnx"
