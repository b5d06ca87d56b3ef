# A corpus in one line that is larger than memory; and a rank that the kernel kills because memory ran out. A control group
# sets the limit.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

large="12 a corpus larger than memory; 7 a line of 300 MB"
killed="41 killed by the kernel when memory ran out"
group=/sys/fs/cgroup/memory/lockstep-faults-$$ limit=memory.limit_in_bytes
[[ -d /sys/fs/cgroup/memory ]] || group=/sys/fs/cgroup/lockstep-faults-$$ limit=memory.max
if ! mkdir "$group" 2>/dev/null || ! [[ -e $group/$limit ]]; then
    rmdir "$group" 2>/dev/null
    row "$large" skipped "needs root and a control group for memory"
    row "$killed" skipped "needs root and a control group for memory"
    exit 0
fi
cleanups+=("rmdir '$group'")
# within MEGABYTES COMMAND...
within() {
    echo $(($1 << 20)) >"$group/$limit" || return
    shift
    (echo $BASHPID >"$group/cgroup.procs" && exec "$@")
}

status=0
yes "$(seq -s ' ' 1 1000) " | tr -d '\n' | head -c 300M >text
problem=''
within 64 "$lockstep" prepare --input text --level word --split 100,0,0 --output words >out 2>&1 || problem="prepare: $(tail -n 1 out)"
within 64 "$lockstep" train --data words --set 'model={layers: 1, embedding: 8, hidden: 24}' \
    --set 'training={streams: 12, unroll: 16, steps: 200}' --run words-run >out 2>&1 || problem=${problem:-"train: $(tail -n 1 out)"}
size=$(du -m words | cut -f1)
((size > 64)) || problem=${problem:-"the dataset has $size MB only"}
row "$large" "$([[ -z $problem ]] && echo yes || echo NO)" \
    "${problem:-prepared, and trained from $size MB of tokens, within 64 MB of memory}" || status=1
rm -rf text words words-run

prepare_corpus || exit
train=("$lockstep" train --data corpus --set 'training={streams: 12, unroll: 16}' --set checkpoint.every_minutes=0
    --set 'model={layers: 1, embedding: 256, hidden: 1024}' --set validation.every_epoch=false --run run)
mpirun -n 2 --oversubscribe "${train[@]}" --set training.steps=1 >out 2>&1 || { tail -n 1 out >&2; exit 1; }
before=$(cd run/checkpoints && sha256sum latest step-*/*)
within 64 "$root/launch/supervise" --attempts 1 --wait 0 -- mpirun -n 2 --oversubscribe "${train[@]}" \
    --set training.steps=2 --resume auto >out 2>&1
code=$?
problem=''
((code == 137)) || problem="exit code $code instead of 137: $(tail -n 1 out)"
grep -q 'signal 9: killed by someone, or by the kernel for lack of memory' out || problem=${problem:-no hint}
[[ $(cd run/checkpoints && sha256sum latest step-*/*) == "$before" ]] || problem=${problem:-the checkpoint has changed}
row "$killed" "$([[ -z $problem ]] && echo yes || echo NO)" \
    "${problem:-137, the hint, and the checkpoint as it was}" || status=1
exit $status
