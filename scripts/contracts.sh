#!/usr/bin/env bash
# Compiles the Move package with the real compiler, compares it with what is checked in and frozen, and runs its unit tests:
# every abort code must be expected by a named test.
set -euo pipefail
cd "$(dirname "$0")/../contracts/tools"
[ -d node_modules ] && [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund --loglevel=error
node --test tools.test.mjs >/dev/null || node --test tools.test.mjs
node move.mjs check
node move.mjs test
echo "contracts: checked and tested in $SECONDS s"
