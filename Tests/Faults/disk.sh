# The run folder is on a separate disk that is too small: for the first checkpoint, for two checkpoints, or for the metrics.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

fault="47 a disk too small (tmpfs)"
mkdir disk
if ! mount -t tmpfs -o size=64k lockstep-faults disk 2>/dev/null; then
    row "$fault" skipped "mounting needs root"
    exit 0
fi
cleanups+=("umount '$scratch/disk'")
prepare_corpus || exit
train=("$lockstep" train "${small[@]}" --set checkpoint.every_steps=20 --set checkpoint.keep=1)
"${train[@]}" --run whole >/dev/null 2>&1 || exit
page=4096 whole=$(du -s --apparent-size -B 4096 whole/checkpoints/step-000000060 | cut -f1)

sizes=0 bad=0 failed=0
for ((pages = 2; pages <= 3 * whole + 8; pages += 1 + whole / 8)); do
    ((sizes++))
    rm -rf disk/* disk/.[!.]*
    mount -o "remount,size=$((pages * page))" disk || exit
    timeout 60 "${train[@]}" --run disk/run >out 2>&1
    code=$?
    [[ $code == 0 || $code == 74 ]] || { complain "$pages pages: exit code $code: $(tail -1 out)"; ((bad++)); continue; }
    ((code == 0)) || ((failed++))
    if grep -q '^saved' out && ! "$lockstep" evaluate --checkpoint disk/run >/dev/null 2>why; then
        complain "$pages pages: a checkpoint was lost: $(cat why)"
        ((bad++))
        continue
    fi
    # The disk is larger now.
    mount -o remount,size=100m disk || exit
    "${train[@]}" --run disk/run --resume auto >out 2>&1 && same disk/run whole 60 || {
        complain "$pages pages: resume: $(tail -1 out)"
        ((bad++))
    }
done
((failed > 3)) || { complain "only $failed of $sizes sizes were too small"; bad=1; }
row "$fault" "$( ((bad == 0)) && echo yes || echo NO)" "$sizes sizes, $failed of them too small for the last save (74), $bad went wrong"
