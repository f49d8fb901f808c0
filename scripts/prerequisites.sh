#!/usr/bin/env bash
# Installs the Debian packages a node needs, when this is root on a machine with apt; otherwise says what is missing.
set -euo pipefail
declare -A package=([runc]=runc [busybox]=busybox-static [nft]=nftables [conntrack]=conntrack [iptables]=iptables [ip]=iproute2 [cc]=gcc)
missing=()
for program in "${!package[@]}"; do command -v "$program" >/dev/null || missing+=("${package[$program]}"); done
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if [ "${#missing[@]}" -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing ${missing[*]}"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  else
    echo "missing packages: ${missing[*]}  (as root: apt-get install ${missing[*]})" >&2
  fi
fi
for tool in cargo go node; do command -v "$tool" >/dev/null || echo "missing: $tool  (Rust 1.95, Go 1.26 and Node 20 or later are needed)" >&2; done
