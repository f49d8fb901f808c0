#!/bin/sh
# Runs the targets of fuzz/ one after the other. What they find lies in fuzz/artifacts/; what they learn stays out of the
# repository: fuzz/corpus/ holds what `cargo test` replays.
set -eu
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-60}
targets=${FUZZ_TARGETS:-token headers path upgrade k3s segment}

cargo +nightly --version >/dev/null 2>&1 || { echo "fuzz: there is no nightly compiler: rustup toolchain install nightly" >&2; exit 1; }
cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz

# No sanitizer: there is no unsafe code of ours to watch, and without one it looks at three times as much.
cd fuzz
for target in $targets; do
    mkdir -p "learnt/$target"
    echo "fuzz: $target for $seconds s"
    cargo +nightly fuzz run --fuzz-dir . --sanitizer none "$target" "learnt/$target" "corpus/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1
done
