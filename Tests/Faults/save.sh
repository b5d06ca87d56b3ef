# A save is killed before, during and after each of its file operations, and each of them fails for lack of
# space or with a read error. The previous or the new checkpoint is always complete, and the run ends in the bytes of an
# undisturbed one. Arguments: try every N-th operation (1), and these faults: kill, after, full, error (all).
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

stride=${1:-1} kinds=${2:-kill after full error}
cc -O1 -shared -fPIC -o faults.so "$root/Tests/Faults/file-faults.c" -ldl || exit
prepare_corpus || exit
# Saves at steps 4 and 8; the second removes the first. Step 8 is also the last: its save must succeed.
train=("$lockstep" train "${small[@]}" --set training.steps=8 --set checkpoint.every_steps=4 --set checkpoint.keep=1)
"${train[@]}" --run whole >/dev/null 2>&1 || exit

FAULT_FOLDER=checkpoints FAULT_LOG=log LD_PRELOAD=$PWD/faults.so "${train[@]}" --run counted >/dev/null 2>&1
read -r operations _ unsafe <log
rm -rf counted

# try KIND AT: runs with that fault, and resumes without it.
try() {
    local code
    rm -rf run
    # In a separate shell, so that the kill is not reported.
    (
        FAULT_FOLDER=checkpoints FAULT_KIND=$1 FAULT_AT=$2 FAULT_LOG=log LD_PRELOAD=$PWD/faults.so \
            timeout 60 "${train[@]}" --run run >out 2>&1
        exit $?
    ) 2>/dev/null
    code=$?
    case $1 in
    kill | after) ((code == 137)) || { complain "$1 at $2 ($(cat log)): exit code $code instead of 137"; return 1; } ;;
    # Either a warning, or the last save: 74. A later note means that the checkpoint itself was safe.
    *) [[ $code == 0 || $code == 74 ]] || { complain "$1 at $2 ($(cat log)): exit code $code"; return 1; } ;;
    esac
    # The checkpoint that the pointer names is complete at this moment.
    if [[ -e run/checkpoints/latest ]] &&
        ! "$lockstep" evaluate --checkpoint "run/checkpoints/$(cat run/checkpoints/latest)" >/dev/null 2>bad; then
        complain "$1 at $2 ($(cat log)): $(cat bad)"
        return 1
    fi
    # Once there has been a checkpoint, there always is one.
    if grep -q '^saved' out && ! "$lockstep" evaluate --checkpoint run >/dev/null 2>bad; then
        complain "$1 at $2 ($(cat log)): a checkpoint was lost: $(cat bad)"
        return 1
    fi
    timeout 60 "${train[@]}" --run run --resume auto >out2 2>&1 || { complain "$1 at $2 ($(cat log)): $(tail -1 out2)"; return 1; }
    same run whole 8 || { complain "$1 at $2 ($(cat log)): other bytes at the end"; return 1; }
    # The next save removes what a killed save has left.
    ! grep -q '^saved' out2 || [[ -z $(find run/checkpoints -name '.step-*' -o -name '*.tmp-*') ]] || {
        complain "$1 at $2 ($(cat log)): left over: $(ls -A run/checkpoints)"
        return 1
    }
}

((operations > 60)) || { complain "only $operations file operations counted: is the shim at work?"; exit 1; }
status=0
# A kill spares what the kernel has in memory; a power cut does not. So the order of fsync and rename is checked.
row "26 power cut: nothing gets its name before it is durable" "$( ((unsafe == 0)) && echo yes || echo NO)" \
    "$unsafe names given too early or not durable at the end" || status=1
for kind in $kinds; do
    bad=0
    for ((at = 1; at <= operations; at += stride)); do try "$kind" "$at" || ((bad++)); done
    case $kind in
    kill | after) fault="26 SIGKILL ${kind/kill/before} each file operation of a save" ;;
    full) fault="47 disk full (ENOSPC) at each of them" ;;
    error) fault="49 EIO at each of them, fsync included" ;;
    esac
    row "$fault" "$( ((bad == 0)) && echo yes || echo NO)" "$(((operations - 1) / stride + 1)) of $operations places, $bad went wrong" || status=1
done
exit "$status"
