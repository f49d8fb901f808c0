#!/usr/bin/env bash
# Plays recorded sequences in the real Move VM: scripts/sequences.sh sequences.json
set -euo pipefail
file=$(realpath "$1")
cd "$(dirname "$0")/../contracts/tools"
[ -d node_modules ] && [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund --loglevel=error
exec node sequences.mjs "$file"
