# For the parts of launch/test-faults, which sets $results. Each part runs in a folder of its own, removed at the end.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
lockstep=$root/.build/release/lockstep
. "$root/launch/openmpi.env"
export OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_odls_base_sigkill_timeout=2

scratch=$(mktemp -d "${TMPDIR:-/tmp}/lockstep-faults-XXXXXX")
cleanups=()
cleanup() {
    local i
    for ((i = ${#cleanups[@]} - 1; i >= 0; i--)); do eval "${cleanups[i]}"; done
    rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
cd "$scratch" || exit

# row FAULT SURVIVED EVIDENCE: a row of the summary. SURVIVED: yes, NO or skipped.
row() {
    printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"${results:-/dev/stderr}"
    [[ $2 != NO ]]
}
complain() { printf '    %s\n' "$*" >&2; }

# A small model that takes a millisecond per step; needs `corpus`.
prepare_corpus() { "$lockstep" prepare --sample kinematics --problems 300 --output corpus >/dev/null 2>&1; }
small=(--data corpus --set 'model={layers: 2, embedding: 8, hidden: 24, dropout: 0.3}'
    --set 'training={streams: 12, unroll: 16, steps: 60}' --set checkpoint.every_minutes=0
    --set validation.every_epoch=false)
# same RUN RUN STEP: whether both have the same weights and state at that step.
same() {
    local step file
    printf -v step 'step-%09d' "$3"
    for file in model state; do
        cmp -s "$1/checkpoints/$step/$file.safetensors" "$2/checkpoints/$step/$file.safetensors" || return 1
    done
}
