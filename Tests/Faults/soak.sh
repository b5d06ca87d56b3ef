# Minutes of training under the supervisor with a random fault every few seconds; it must end in the bytes of an
# undisturbed run. Arguments: minutes (10), seed of the faults.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

minutes=${1:-10}
RANDOM=${2:-$$}
seed=${2:-$$}
ranks=3
faults=(kill-rank kill-mpirun stop-rank term-rank term-mpirun save)
mkdir disk
if mount -t tmpfs -o size=50m lockstep-faults disk 2>/dev/null; then
    cleanups+=("umount '$scratch/disk'")
    faults+=(disk-full)
else
    complain "without root no disk is filled"
fi
prepare_corpus || exit
train=(mpirun -n $ranks --oversubscribe "$lockstep" train "${small[@]}" --set checkpoint.every_steps=100
    --set watchdog.seconds=5 --set metrics.every_steps=100)

setsid "$root/launch/supervise" --attempts 1000 --wait 0 -- "${train[@]}" --set training.steps=100000000 --run disk/run \
    >out 2>&1 &
supervisor=$!
cleanups+=("kill -KILL -- -$supervisor 2>/dev/null; pkill -KILL -s $supervisor")
of() { pgrep -s "$supervisor" -x "$1" | shuf -n 1 --random-source=<(yes "$RANDOM"); }
hit() { [[ -n $2 ]] && kill "-$1" "$2" 2>/dev/null; }

declare -A done_
end=$((SECONDS + minutes * 60)) count=0
while ((SECONDS < end)); do
    sleep $((5 + RANDOM % 16))
    fault=${faults[RANDOM % ${#faults[@]}]}
    case $fault in
    kill-rank) hit KILL "$(of lockstep)" ;;
    kill-mpirun) hit KILL "$(of mpirun)" ;;
    stop-rank) hit STOP "$(of lockstep)" ;;
    term-rank) hit TERM "$(of lockstep)" ;;
    term-mpirun) hit TERM "$(of mpirun)" ;;
    save) hit USR1 "$(of lockstep)" ;;
    disk-full)
        dd if=/dev/zero of=disk/filler bs=1M >/dev/null 2>&1
        sleep $((1 + RANDOM % 4))
        rm -f disk/filler
        ;;
    esac
    ((count++))
    done_[$fault]=$((${done_[$fault]:-0} + 1))
    printf '    %4d s: %s, at %s\n' "$SECONDS" "$fault" "$(cat disk/run/checkpoints/latest 2>/dev/null)"
    kill -0 $supervisor 2>/dev/null || break
done
evidence="$count faults in $minutes minutes, seed $seed:$(for f in "${!done_[@]}"; do printf ' %s %s' "${done_[$f]}" "$f"; done)"
# Stopped when all is well, so that the last save succeeds.
for ((i = 0; i < 60; i++)); do
    before=$(cat disk/run/checkpoints/latest)
    sleep 3
    [[ $(cat disk/run/checkpoints/latest) != "$before" ]] && break
done
kill -TERM $supervisor
wait $supervisor
code=$?
step=$(tr -dc 0-9 <disk/run/checkpoints/latest | sed 's/^0*//')
restarts=$(grep -c '^supervise: .*restart' out)
if ((code != 75)); then
    tail -5 out >&2
    row "soak" NO "supervisor ended with $code; $evidence"
    exit 1
fi
"${train[@]}" --set "training.steps=$step" --run whole >whole.out 2>&1 || { tail -3 whole.out >&2; exit 1; }
if same disk/run whole "$step"; then
    row "soak" yes "$step steps, $restarts restarts, the bytes of an undisturbed run; $evidence"
else
    row "soak" NO "other bytes at step $step; $evidence"
fi
