#!/usr/bin/env bash
# The whole way once, on the real cluster. Needs root; says so loudly where there is none.
set -euo pipefail
bin=$1
if [ "$(id -u)" != 0 ]; then
  echo "SKIPPED: the demo needs root (real containers); run: sudo make test" >&2
  exit 0
fi
state=$(mktemp -d /tmp/daas-e2e.XXXX)
trap 'rm -rf "$state"' EXIT
"$bin/k3s-daas" --state-dir "$state/s" demo
