#!/usr/bin/env bash
# Node with the official TypeScript client: its tests, or with arguments a program of tests/typescript such as sign.mjs.
# The tests are run by crates/daas-devnet/tests, which starts a network and says in the environment where it is.
set -euo pipefail
cd "$(dirname "$0")/../tests/typescript"
fresh() { [ node_modules/.package-lock.json -nt package-lock.json ]; }
# Once, whoever comes first; on the error output, since the standard output is the program's.
fresh || (flock 9; fresh || npm ci --no-audit --no-fund --loglevel=error >&2) 9<.
[ $# -gt 0 ] || set -- --test --test-timeout=60000
exec node "$@"
