# Training under the supervisor with occasional random faults; it must end in the bytes of an undisturbed run.
# Arguments: minutes (10), seconds between two faults on average (12), seed of the faults.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

minutes=${1:-10} every=${2:-12} seed=${3:-$$}
RANDOM=$seed
ranks=3 limit=30
# Faults of the job, then faults of its files.
faults=(kill-rank kill-mpirun stop-rank pause-job term-rank int-rank term-mpirun usr1-rank usr1-mpirun hup-rank
    damaged-latest lost-latest)
mkdir disk
if mount -t tmpfs -o size=20m lockstep-faults disk 2>/dev/null; then
    cleanups+=("umount '$scratch/disk'")
    faults+=(disk-full disk-full)
else
    complain "without root no disk is filled"
fi
cc -O1 -shared -fPIC -o patient.so "$root/Tests/Faults/patient.c" || exit
prepare_corpus || exit
train=("$lockstep" train "${small[@]}" --set metrics.every_steps=1000)

# On a busy machine, a stop on request may take a while.
export OMPI_MCA_odls_base_sigkill_timeout=10
# Most of the time is spent in saves, so most faults hit one.
setsid "$root/launch/supervise" --attempts 1000 --wait 0 -- mpirun -n $ranks --oversubscribe -x "LD_PRELOAD=$PWD/patient.so" \
    "${train[@]}" --set checkpoint.every_steps=2 --set watchdog.seconds=$limit --set training.steps=100000000 \
    --run disk/run >out 2>&1 &
supervisor=$!
cleanups+=("kill -KILL -- -$supervisor 2>/dev/null; pkill -KILL -s $supervisor")
cleanups+=('kill $(jobs -p) 2>/dev/null')
latest=disk/run/checkpoints/latest
all() { pgrep -s "$supervisor" -x "$1"; }
one() { all "$1" | shuf -n 1 --random-source=<(yes "$RANDOM"); }
hit() { [[ -n $2 ]] && kill "-$1" $2 2>/dev/null; }

provoke() {
    local processes
    case $1 in
    kill-rank) hit KILL "$(one lockstep)" ;;
    kill-mpirun) hit KILL "$(one mpirun)" ;;
    stop-rank)
        hit STOP "$(one lockstep)" ;;
    pause-job)
        processes=$(all mpirun; all lockstep)
        hit STOP "$processes" || return
        sleep $((1 + RANDOM % 8))
        hit CONT "$processes"
        ;;
    term-rank) hit TERM "$(one lockstep)" ;;
    int-rank) hit INT "$(one lockstep)" ;;
    term-mpirun) hit TERM "$(one mpirun)" ;;
    usr1-rank) hit USR1 "$(one lockstep)" ;;
    usr1-mpirun) hit USR1 "$(one mpirun)" ;;
    hup-rank) hit HUP "$(one lockstep)" ;;
    damaged-latest)
        # Together with killing the job, so that this checkpoint has to be resumed.
        [[ -e $latest ]] && hit KILL "$(one lockstep)" || return
        printf 'X' | dd of="disk/run/checkpoints/$(cat $latest 2>/dev/null)/model.safetensors" bs=1 seek=$((3000 + RANDOM % 9000)) \
            conv=notrunc 2>/dev/null
        ;;
    lost-latest)
        hit KILL "$(one lockstep)" || return
        rm -f $latest
        ;;
    disk-full)
        dd if=/dev/zero of=disk/filler bs=1M >/dev/null 2>&1
        sleep $((1 + RANDOM % 8))
        rm -f disk/filler
        ;;
    esac
}

declare -A times
end=$((SECONDS + minutes * 60)) count=0 missed=0
while ((SECONDS < end)); do
    sleep $((every / 2 + RANDOM % (every + 1)))
    kill -0 $supervisor 2>/dev/null || break
    fault=${faults[RANDOM % ${#faults[@]}]}
    # Between two jobs, there is no process to hit.
    provoke "$fault" || { ((missed++)); continue; }
    ((count++))
    times[$fault]=$((${times[$fault]:-0} + 1))
    printf '    %5d s: %s, at %s\n' "$SECONDS" "$fault" "$(cat $latest 2>/dev/null)"
done
evidence="$count faults in $minutes minutes, seed $seed:$(for f in "${faults[@]}"; do printf '%s\n' "$f"; done | sort -u |
    while read -r f; do printf ' %s %s,' "${times[$f]:-0}" "$f"; done)"
evidence=${evidence%,}
# Stopped when all faults are over, so that the last save succeeds.
before=$(cat $latest 2>/dev/null)
for ((i = 0; i < 100; i++)); do
    sleep 3
    [[ -e $latest && $(cat $latest) != "$before" ]] && break
done
kill -TERM $supervisor
wait $supervisor
code=$?
step=$(tr -dc 0-9 <$latest | sed 's/^0*//')
restarts=$(grep -c '^supervise: .*restart' out)
alarms=$(grep -c 'no rank has made progress' out)
problem=''
((code == 75)) || problem="the supervisor ended with $code: $(grep '^supervise:' out | tail -n 1)"
mpirun -n $ranks --oversubscribe "${train[@]}" --set "training.steps=$step" --run whole >whole.out 2>&1 ||
    problem="the undisturbed run: $(tail -n 1 whole.out)"
# Long enough after the end for the last processes to be gone.
left=$(pgrep -s "$supervisor" -l | tr '\n' ' ')
[[ -z $left ]] || problem="left over: $left"
same disk/run whole "$step" || problem=${problem:-"other bytes at step $step"}
evidence="$step steps, $restarts restarts, $alarms of them by the watchdog; $evidence"
if [[ -z $problem ]]; then
    row "soak" yes "the bytes of an undisturbed run; $evidence"
else
    # Everything needed to find the cause.
    kept=$(mktemp -d "${TMPDIR:-/tmp}/lockstep-soak-XXXXXX") && cp -r out whole.out whole disk/run "$kept"
    row "soak" NO "$problem; $evidence; kept in $kept"
fi
