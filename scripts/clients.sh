#!/usr/bin/env bash
# Clients that others made, for the tests on the real cluster: kubectl 1.29 and helm from their Go modules, the Python client
# in an environment of its own, the Node client. Each once, into a cache; anew when its lock file changes.
set -euo pipefail
cd "$(dirname "$0")/../tests/clients"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/k3s-daas/clients
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
rm -rf "$cache"/.making-*

make_once() { # NAME MAKER LOCK...: $cache/NAME, made by MAKER. A folder gets its name when it is whole.
  local name=$1 maker=$2 making key
  shift 2
  key=$( (cat "$@" && declare -f "$maker") | sha256sum)
  [ "$(cat "$cache/$name/.key" 2>/dev/null)" != "$key" ] || return 0
  echo "clients: making $name"
  making=$(mktemp -d "$cache/.making-XXXX")
  "$maker" "$making" "$name"
  echo "$key" >"$making/.key"
  rm -rf "${cache:?}/$name"
  mv "$making" "$cache/$name"
}
go_tool() { # TARGET SOURCE [LINKER_FLAGS]
  (cd "$2" && CGO_ENABLED=1 GOTOOLCHAIN=local GOWORK=off GOFLAGS=-mod=readonly go build -trimpath -buildvcs=false \
    -tags=netgo,osusergo,providerless "-ldflags=-s -w ${3:-}" -o "$1/" tool)
}
old_kubectl() { # What it says of itself, on the wire too.
  local version=.gitVersion=v1.29.15
  go_tool "$1" "$2" "-X k8s.io/component-base/version$version -X k8s.io/client-go/pkg/version$version"
}
python_venv() {
  python3 -m venv "$1"
  "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$2/requirements.txt"
}
node_modules() {
  cp "$2/package.json" "$2/package-lock.json" "$2/.npmrc" "$1"
  npm ci --prefix "$1" --no-audit --no-fund --loglevel=error
}

make_once kubectl-1.29 old_kubectl kubectl-1.29/go.mod kubectl-1.29/go.sum
make_once helm go_tool helm/go.mod helm/go.sum
make_once node node_modules node/package.json node/package-lock.json
if python3 -c 'import ensurepip, venv' 2>/dev/null; then
  make_once python python_venv python/requirements.txt
else
  echo "SKIPPED: the Python client needs python3 and its venv module: apt-get install python3-venv" >&2
fi
