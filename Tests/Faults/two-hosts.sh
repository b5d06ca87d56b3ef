# Two network namespaces joined by a link act as two hosts: training over TCP between host names, and a cut link.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

apart="30 two hosts over TCP"
cut="37 the cable between two hosts is cut"
proof="31 killed and resumed on two hosts: verify"
skip() {
    row "$apart" skipped "$1"
    row "$cut" skipped "$1"
    row "$proof" skipped "$1"
    exit 0
}
[[ $(id -u) == 0 ]] || skip "needs root"
command -v ip >/dev/null || skip "needs iproute2"
a=lockstep-a-$$ b=lockstep-b-$$
ip netns add "$a" 2>/dev/null || skip "no network namespaces here"
# Deleted only when they have no processes, which would otherwise survive.
empty() { ip netns pids "$1" 2>/dev/null | xargs -r kill -9; ip netns del "$1"; }
cleanups+=("empty $a")
ip netns add "$b" || exit
cleanups+=("empty $b")
ip -n "$a" link add va type veth peer name vb netns "$b" || skip "no veth devices here"
for end in "$a va 1" "$b vb 2"; do
    read -r space device number <<<"$end"
    ip -n "$space" addr add "10.97.0.$number/24" dev "$device"
    ip -n "$space" link set "$device" up
    ip -n "$space" link set lo up
done

# mpirun starts its daemon on the second host with this instead of ssh: HOST COMMAND...
cat >agent <<END
#!/bin/bash
shift
exec ip netns exec $b unshare --uts bash -c 'hostname node-b; cd $scratch; eval "\$1"' bash "\$*"
END
chmod +x agent
on_a=(ip netns exec "$a" unshare --uts bash -c 'hostname node-a; exec "$@"' bash)
# Also for the daemons: how soon they notice that the other is unreachable.
launcher="mpirun --mca plm_rsh_agent $scratch/agent --mca btl tcp,self --mca btl_tcp_if_include 10.97.0.0/24 \
--mca oob_tcp_if_include 10.97.0.0/24"
hosts=("${on_a[@]}" $launcher --host 10.97.0.1:1,10.97.0.2:1)
prepare_corpus || exit
train=("$lockstep" train "${small[@]}")

"${hosts[@]}" "${train[@]}" --run two >out 2>&1 || { cat out >&2; row "$apart" NO "training failed"; exit 1; }
LOCKSTEP_RANKS_PER_MACHINE=1 mpirun -n 2 --oversubscribe "${train[@]}" --run one >out 2>&1 || exit
same two one 60 && row "$apart" yes "60 steps, the bytes of two ranks on one host" ||
    row "$apart" NO "other bytes than two ranks on one host"

# Equal numbers of ranks on the hosts, or one more on the first.
for shards in null 12; do
    "${on_a[@]}" "$lockstep" verify "${small[@]}" --set training.reproducible_shards=$shards --steps 24 --ranks 2,4,3 \
        --launcher "$launcher --map-by node --host 10.97.0.1:2,10.97.0.2:2 -n {ranks}" --scratch verify >out 2>&1 ||
        { cat out >&2; row "$proof" NO "reproducible_shards $shards: $(tail -n 1 out)"; exit 1; }
    row "$proof" yes "reproducible_shards $shards, 2, 4 and 3 ranks: $(tail -n 1 out)"
done

limit=10
"${hosts[@]}" "${train[@]}" --set training.steps=1000000 --set checkpoint.every_steps=20 \
    --set watchdog.seconds=$limit --run cut >out 2>&1 &
job=$!
until [[ -e cut/checkpoints/step-000000040 ]]; do
    kill -0 $job 2>/dev/null || { cat out >&2; row "$cut" NO "training failed"; exit 1; }
    sleep 0.05
done
ip -n "$a" link set va down
begin=$SECONDS
for ((i = 0; i < 120; i++)); do
    kill -0 $job 2>/dev/null || break
    sleep 1
done
took=$((SECONDS - begin))
kill -0 $job 2>/dev/null && { row "$cut" NO "the job still runs after $took s: $(grep '^lockstep:' out)"; kill -9 $job; exit 1; }
wait $job
code=$?
sleep 15
left=$(ip netns pids "$a"; ip netns pids "$b")
problem=''
((code != 0)) || problem="exit code 0"
grep -q '^lockstep: rank 0, host node-a.* between node-a, node-b' out || problem="no rank was named: $(grep '^lockstep:' out)"
[[ -z $left ]] || problem="left over: $(ps -o pid,args -p $(tr '\n' , <<<"$left" | sed 's/,$//') | cut -c1-80)"
((took <= limit + 30)) || problem="it took $took s"
ip -n "$a" link set va up
saved=$(tr -dc 0-9 <cut/checkpoints/latest | sed 's/^0*//')
end=$((saved + 20))
for run in cut whole; do
    "${hosts[@]}" "${train[@]}" --set training.steps=$end --run "$run" --resume auto >out2 2>&1 ||
        problem="resume: $(grep -m 1 '^lockstep:' out2 || tail -n 12 out2)"
done
same cut whole $end || problem="${problem:-other bytes after the resume}"
if [[ -z $problem ]]; then
    row "$cut" yes "ended after $took s (watchdog.seconds $limit), code $code, exact resume from step $saved"
else
    complain "$(grep '^lockstep:' out)"
    row "$cut" NO "$problem"
fi
