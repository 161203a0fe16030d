#!/usr/bin/env bash
# Builds the fuzz targets, all or some, as OSS-Fuzz and ClusterFuzzLite call it: in their image and with their variables.
# Each gets a program, its seeds and its limits in $OUT. What is built on the way is in $WORK.
#
#   build.sh [TARGET...]
set -euo pipefail
shopt -s inherit_errexit

for name in SRC OUT WORK SANITIZER FUZZING_ENGINE; do
    [ -n "${!name:-}" ] || { echo "build.sh: no $name: OSS-Fuzz's image sets it" >&2; exit 2; }
done
for tool in cargo rustc zip; do
    command -v "$tool" >/dev/null || { echo "build.sh: no $tool" >&2; exit 2; }
done
[ -e "$SRC/klp-convert/fuzz/engines" ] || { echo "build.sh: no klp-convert in $SRC" >&2; exit 2; }
cd "$SRC/klp-convert"
machine=$(rustc -vV | sed -n 's/^host: \([^-]*\)-.*/\1/p')
[ "${ARCHITECTURE:=$machine}" = "$machine" ] || {
    echo "build.sh: ARCHITECTURE is $ARCHITECTURE, but rustc builds for $machine" >&2
    exit 2
}

. fuzz/engines
names=$(fuzz_targets "$@")
mapfile -t targets <<<"$names"
fuzz_build "$WORK/klp-convert" "$FUZZING_ENGINE" "$SANITIZER" "${targets[@]}"
for target in "${targets[@]}"; do
    cp "$fuzz_binaries/$target" "$OUT/"
    { echo "[libfuzzer]"; fuzz_options "$target"; } >"$OUT/$target.options"
    # One from an earlier build would get what is new beside what is gone.
    rm -f "$OUT/${target}_seed_corpus.zip"
    [ ! -d "fuzz/seeds/$target" ] || zip -q -X -r -j "$OUT/${target}_seed_corpus.zip" "fuzz/seeds/$target"
done
