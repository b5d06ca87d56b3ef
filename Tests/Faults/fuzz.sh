#!/usr/bin/env bash
# A million damaged files, or the number in the argument, for each parser of files from strangers. Called by
# launch/test-faults, which sets $results.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
count=${1:-1000000}
swift build -c release --package-path "$root" --product lockstep-fuzz >/dev/null || exit
fuzz=$root/.build/release/lockstep-fuzz
log=$(mktemp)
trap 'rm -f "$log"' EXIT

status=0
for parser in $("$fuzz" --list); do
    if "$fuzz" "$parser" "$count" >"$log" 2>&1; then survived=yes; else survived=NO status=1; fi
    cat "$log"
    printf 'damaged files: %s\t%s\t%s\n' "$parser" "$survived" "$(head -n 1 "$log" | cut -c 1-200)" >>"${results:-/dev/stderr}"
done
exit "$status"
