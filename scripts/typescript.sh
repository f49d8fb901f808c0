#!/usr/bin/env bash
# The official TypeScript client's tests. crates/daas-devnet/tests starts a network and says in the environment where it is.
set -euo pipefail
cd "$(dirname "$0")/../tests/typescript"
[ -d node_modules ] && [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund --loglevel=error
exec node --test
