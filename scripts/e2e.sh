#!/usr/bin/env bash
# The real cluster. Needs root; says so loudly where there is none.
set -euo pipefail
bin=$1
if [ "$(id -u)" != 0 ]; then
  echo "SKIPPED: real-cluster tests need root (real containers); run: sudo make test" >&2
  exit 0
fi
"$bin/k3s-daas" demo --state-dir "$(mktemp -d /tmp/daas-e2e.XXXX)" --purge
