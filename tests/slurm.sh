#!/usr/bin/env bash
# Runs a job on a real Slurm whose controller and two nodes are processes on 127.0.0.1: an array over both nodes, of which one task is killed by
# SIGKILL, one is put back by scontrol requeue, and one gets the signal that comes before the time limit; then what is missing again, with a merge
# that waits for it. The merged file must have the bytes of one run without Slurm. The folder of the job has a name that needs every kind of quotes.
#
#   tests/slurm.sh
#
# BIN=FOLDER in the environment names a folder that holds a build of the tool, such as that of the tests, and DOTNET the program that runs it. Needs
# bash, awk, coreutils, the .NET SDK and Slurm (Debian packages slurmctld, slurmd and slurm-client; no service of theirs and no munge has to run).
# Takes about a minute. All that it starts ends with it, and all that it writes lies in one temporary folder.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PATH=$PATH:/usr/sbin:/usr/local/sbin
scratch=$(mktemp -d)
scratch=$(cd "$scratch" && pwd -P)
daemons=()

# Processes of tasks can outlive Slurm; they are known by its configuration among their variables.
tasks() { grep -lzxF "SLURM_CONF=$scratch/slurm.conf" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 | grep -vx $$ || true; }

clean_up() {
    scancel --user="$(id -un)" 2>/dev/null || true
    [ ${#daemons[@]} -eq 0 ] || kill "${daemons[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    for pid in $(tasks); do [ "$pid" = "$BASHPID" ] || kill -9 "$pid" 2>/dev/null || true; done
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

fail() {
    echo "FAILED: $*"
    squeue --all 2>/dev/null || true
    tail -n 20 "$scratch"/log/*.log "$job"/logs/* 2>/dev/null || true
    exit 1
}

# until_so WHAT SECONDS COMMAND: waits until a command succeeds.
until_so() {
    local what=$1 deadline=$((SECONDS + $2))
    shift 2
    until "$@"; do
        [ $SECONDS -lt $deadline ] || fail "waited in vain until $what"
        sleep 0.02
    done
}

if [ -z "${BIN:-}" ]; then
    BIN=$scratch/tool
    dotnet build "$repository/src/LlmEmbed.Cli" -c Release --output "$BIN" --nologo -v quiet >&2
fi
dotnet=$(command -v "${DOTNET:-dotnet}")
tool() { "$dotnet" "$BIN/llmembed.dll" "$@"; }
job="$scratch/a job's \"folder\", 100%A #1"
merged="$scratch/merged by Slurm.safetensors"

# --- Slurm: a controller and two nodes ------------------------------------------------------------------------------------------------------------

port=$((20000 + RANDOM % 10000))
while grep -qiE ":($(printf '%04X|%04X|%04X' $port $((port + 1)) $((port + 2)))) " /proc/net/tcp; do port=$((port + 3)); done
host=$(hostname -s) user=$(id -un)
mkdir -p "$scratch"/{state,log,spool/n1,spool/n2}
cat >"$scratch/slurm.conf" <<CONF
ClusterName=loopback
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/none
CredType=cred/none
StateSaveLocation=$scratch/state
SlurmdSpoolDir=$scratch/spool/%n
SlurmctldPidFile=$scratch/slurmctld.pid
SlurmdPidFile=$scratch/slurmd.%n.pid
SlurmctldLogFile=$scratch/log/slurmctld.log
SlurmdLogFile=$scratch/log/slurmd.%n.log
SlurmctldPort=$port
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$scratch/log/jobcomp.txt
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SchedulerParameters=sched_interval=1,batch_sched_delay=0
JobRequeue=1
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=1 RealMemory=500
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=1 RealMemory=500
PartitionName=loopback Nodes=n1,n2 Default=YES MaxTime=10 State=UP
CONF
export SLURM_CONF=$scratch/slurm.conf
slurmctld -D -c >/dev/null 2>&1 &
daemons+=($!)
for node in n1 n2; do
    slurmd -D -N $node >/dev/null 2>&1 &
    daemons+=($!)
done

# --- the same job twice, once for one run without Slurm ---------------------------------------------------------------------------------------------

# Twenty units of texts in five shards. Short words keep the model busy for some tenths of a second with each.
awk 'BEGIN { print "text"; for (row = 0; row < 80000; row++) printf "%d a b c d e f g h i j k l %d\n", row % 977, row % 31 }' >"$scratch/texts.csv"
plan() {
    tool job plan "$scratch/texts.csv" --task embed --backbone "$repository/tests/LlmEmbed.Tests/Fixtures/bert" --precision fp32 \
        --cache "$scratch/cache" "$@" &>>"$scratch/log/tool.log"
}
plan --output "$scratch/one" --shards 1
tool job run "$scratch/one" --cache "$scratch/cache" &>>"$scratch/log/tool.log"
tool job merge "$scratch/one" --output "$scratch/one.safetensors" &>>"$scratch/log/tool.log"
plan --output "$job" --shards 5

both_idle() { [ "$(sinfo --noheader --Node --format=%t 2>/dev/null | grep -c '^idle$')" = 2 ]; }
until_so "both nodes are there" 120 both_idle
sinfo --Node

# --- an array, of which three tasks do not come to their end -----------------------------------------------------------------------------------------

submit() {
    tool job submit slurm "$job" --command "$dotnet" "$BIN/llmembed.dll" --run=--cache "--run=$scratch/cache" --throttle 2 --cpus-per-task 1 \
        --mem 200M --time 5 --partition loopback --sbatch=--comment="it's \"one\"" --merge-output "$merged"
}
began() { compgen -G "$job/shards/00000$1.units/*" >/dev/null; }
process_of() { grep -oE '"process": *[0-9]+' "$job/shards/00000$1.running.json" | grep -oE '[0-9]+'; }
# Stops a task behind its first unit, so that it cannot end before something is done to it. Sets "process".
stop_within() {
    until_so "task $1 has a unit" 120 began "$1"
    process=$(process_of "$1")
    kill -STOP "$process"
    [ ! -e "$job/shards/00000$1.done.json" ] || fail "task $1 ended before it could be stopped"
}

echo "--- job submit slurm"
submit | tee "$scratch/first"
array=$(head -n 1 "$scratch/first" | cut -f1) merge=$(tail -n 1 "$scratch/first" | cut -f1)
stop_within 1
squeue --all
kill -KILL "$process"
echo "killed: task 1"
stop_within 2
scontrol requeue "${array}_2"
kill -CONT "$process"
echo "put back: task 2"
stop_within 3
scancel --batch --signal=TERM "${array}_3" # as --signal=B:TERM@120 does before the time limit: to the script alone
kill -CONT "$process"
echo "signalled: task 3"
left() { ! squeue --noheader --array --states=all --format='%F_%K %T' | grep "^${array}_" | grep -qvE "COMPLETED|FAILED|^${array}_2 PENDING"; }
until_so "the other tasks are over" 120 left
squeue --all --format='%.8i %.10P %.8T %.4M %R'
scancel "${array}_2" # Slurm would wait two minutes before it starts the task again
gone() { ! squeue --noheader --format=%F | grep -qx "$1"; }
until_so "the merge was dropped" 120 gone "$merge"
[ ! -e "$merged" ] || fail "the merge ran though a task had failed"

echo "--- job status and job retry"
tool job status "$job" && fail "the job counts as complete" || true
lines=$(tool job retry "$job")
echo "$lines"
[ "$lines" = "--array=1-3" ] || fail "expected --array=1-3"
for task in 1 2 3; do began $task || fail "nothing of task $task was kept"; done
grep -q "ArrayTaskId=3 .*ExitCode=143:0" "$scratch/log/jobcomp.txt" || fail "the tool did not hear the signal"

# --- what is missing again, and the merge -------------------------------------------------------------------------------------------------------------

echo "--- job submit slurm, again"
submit | tee "$scratch/second"
merge=$(tail -n 1 "$scratch/second" | cut -f1)
until_so "the merge is over" 120 gone "$merge"

echo "--- what Slurm says of the jobs that ended"
awk '{ said = ""; for (i = 1; i <= NF; i++) if ($i ~ /^(JobId|Name|JobState|NodeList|ArrayJobId|ArrayTaskId|ExitCode)=/) said = said $i " "; print said }' \
    "$scratch/log/jobcomp.txt"
tool job status "$job" || fail "the job is not complete"
[ -e "$merged" ] || fail "there is no merged file"
cmp "$scratch/one.safetensors" "$merged" || fail "the merged file has other bytes than one run"
echo "the merged file has the bytes of one run: $(stat -c %s "$merged") bytes"
