#!/usr/bin/env bash
# Check the published weights against the published accuracies: a table, and a non-zero exit when a number is off.
cd "$(dirname "$0")"
exec python3 -m engine.eval_pretrained "$@"
