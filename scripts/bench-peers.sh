#!/usr/bin/env bash
# Installs what `make bench-proxy` compares with and loads with: nginx, HAProxy and h2load, none of them started as a service.
set -euo pipefail
declare -A package=([nginx]=nginx-light [haproxy]=haproxy [h2load]=nghttp2-client)
missing=()
for program in "${!package[@]}"; do PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null || missing+=("${package[$program]}"); done
if [ "${#missing[@]}" -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing ${missing[*]}"
    # Run level 1 is the one in which Debian's maintainer scripts start nothing.
    apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  else
    echo "missing packages: ${missing[*]}  (as root: apt-get install ${missing[*]})" >&2
    exit 1
  fi
fi
