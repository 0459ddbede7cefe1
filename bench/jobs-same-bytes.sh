#!/usr/bin/env bash
# Shows that a job gives the same bytes however it is cut and whatever happens to it: the same texts in several numbers of shards, taken in random
# order by two workers at once, with random SIGKILLs and full disks, merged; beside one worker that nobody disturbs.
#
#   bench/jobs-same-bytes.sh [--fast]
#
# --fast takes 600 texts and a tiny backbone with random weights, and ends within a minute or two. It shows lost, repeated and damaged rows; that
# batches do not depend on shards is shown by embeddings of a real backbone only. What else can be set, in the environment:
#   TEXTS=20000             how many rows the input has, in three files (csv, csv in gzip, jsonl); some are bad, some have an empty text
#   LENGTH=800              characters of a text, on average; a shard is made of whole units of 120,000 characters, so that many shards need many
#   SHARDS="1 7 100"        the numbers of shards that are compared
#   KILLS=50 FULL_DISKS=5   for each case, dealt out over the numbers of shards
#   PAUSE=1.5 AIM=0.5       seconds between two kills, and until a process that is seen at work is killed, on average
#   CASES="predict:int8 predict:fp32 embed:int8 embed:fp32"
#   BACKBONE=all-minilm-l6-v2 DEPTHS=3 MAX_TOKENS=64        the backbone, the depth that is read, and how much of a text is
#   TRAIN=FILE INPUT="FILE..."      labelled texts and the texts of the job, instead of generated ones
#   BIN=FOLDER              a folder with a build of llmembed; without it the tool is built
#   WORK=FOLDER             where everything is written; it stays. Without it, a temporary folder that is removed at the end
#   SEED=1                  of the random choices (not of the moments at which kills arrive)
#
# A full disk is a tmpfs that a file fills. Where none may be mounted (that needs root) this part is skipped, and the script says so. Needs bash,
# coreutils, awk, gzip and the .NET SDK. Exits with 0 only if all files of a case are equal, all kills and full disks hit, and every process ended
# with a code that the documentation promises for what happened to it.
set -euo pipefail
export LC_ALL=C HF_HUB_OFFLINE=1 DOTNET_NOLOGO=1
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fast=
case ${1:-} in
    --fast) fast=yes ;;
    '') ;;
    *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
by_default() { printf -v "$1" %s "${!1:-${fast:+$3}}"; printf -v "$1" %s "${!1:-$2}"; } # NAME VALUE VALUE_WHEN_FAST
by_default TEXTS 20000 600
by_default LENGTH 800 2400
by_default SHARDS "1 7 100" "1 3 10"
by_default KILLS 50 6
by_default FULL_DISKS 5 3
by_default PAUSE 1.5 0.3
by_default AIM 0.5 0.02
by_default CASES "predict:int8 predict:fp32 embed:int8 embed:fp32" "predict:int8 embed:fp32"
by_default BACKBONE all-minilm-l6-v2 "$repository/tests/LlmEmbed.Tests/Fixtures/bert"
by_default DEPTHS 3 1
by_default MAX_TOKENS 64 64
by_default SEED 1 1
RANDOM=$SEED

work=${WORK:-$(mktemp -d)}
mkdir -p "$work"
disk=$work/disk # where the job folders lie
mounted=
at_end() {
    local code=$?
    trap - EXIT
    for job in $(jobs -p); do kill "$job" 2>/dev/null || true; done
    for file in "$work"/pid.*; do [ ! -e "$file" ] || kill -KILL "$(<"$file")" 2>/dev/null || true; done
    wait 2>/dev/null || true
    [ -z "$mounted" ] || umount -l "$disk" || true
    [ -n "${WORK:-}" ] || rm -rf "$work"
    exit "$code"
}
trap at_end EXIT
trap 'exit 130' INT TERM
fail() { echo "jobs-same-bytes: $*" >&2; exit 1; }

if [ -z "${BIN:-}" ]; then
    BIN=$work/tool
    dotnet build "$repository/src/LlmEmbed.Cli" --configuration Release --output "$BIN" --nologo -v quiet >&2
fi
export XDG_CACHE_HOME=$work/cache LLMEMBED_MODELS=$repository/models
tool() { dotnet "$BIN/llmembed.dll" "$@"; }

# --- texts ------------------------------------------------------------------------------------------------------------------------------------------

# generate KIND FIRST ROWS: rows as csv, jsonl or labelled csv. The same rows whatever awk it is: the random numbers are its own.
generate() {
    awk -v kind="$1" -v first="$2" -v rows="$3" -v length_="$LENGTH" '
        function random(below) { state = (state * 16807) % 2147483647; return state % below }
        function text(characters,    result) {
            result = words[1 + random(count)]
            while (length(result) < characters) result = result (random(9) ? " " : breaks[random(5)]) words[1 + random(count)]
            return result
        }
        function quoted(value) {
            gsub(/"/, kind == "jsonl" ? "\\\"" : "\"\"", value)
            if (kind == "jsonl") gsub(/\n/, "\\n", value)
            return "\"" value "\""
        }
        BEGIN {
            count = split("government international understanding performance invoice parcel refund late broken excellent terrible delightful " \
                "disappointing characters photography neighbourhood temperature championship electricity manufacturer conversation dictionary " \
                "grüße naïve 東京 Ελλάδα 🙂 the of and with a not very \"so-called\" C# 3.14 https://example.org/path can it was they", words, " ")
            split("praise complaint question", labels, " ")
            split("wonderful delightful excellent|terrible broken refund|when where how", typical, "|")
            breaks[0] = ", "; breaks[1] = ". "; breaks[2] = "\n"; breaks[3] = " - "; breaks[4] = "; "
            state = 20240607 + first
            for (i = 0; i < 20; i++) random(2) # the first ones of close seeds are close
            if (kind == "labelled") print "text,label"
            else if (kind == "csv") print "id,text,note"
            for (row = first; row < first + rows; row++) {
                if (kind == "labelled") {
                    class = 1 + random(3)
                    split(typical[class], of_class, " ")
                    value = text(20 + random(60)) " " of_class[1 + random(3)] " " of_class[1 + random(3)]
                    print quoted(value) "," labels[class]
                    continue
                }
                value = random(400) ? text(random(10) ? random(2 * length_) : 1) : ""
                note = random(3) ? "" : "n" random(100)
                bad = !random(150)
                if (kind == "csv") print row "," quoted(value) "," note (bad ? ",one field too many" : "")
                else if (bad) print random(2) ? "{\"id\": " row ", \"text\": " : "{\"id\": " row ", \"text\": {\"nested\": 1}, \"note\": \"\"}"
                else print "{\"id\": " row ", \"text\": " quoted(value) ", \"note\": " quoted(note) "}"
            }
        }'
}

train=${TRAIN:-$work/train.csv}
[ -n "${TRAIN:-}" ] || generate labelled 0 300 >"$train"
read -r -a input <<<"${INPUT:-}"
if [ ${#input[@]} = 0 ]; then
    input=("$work/texts-0.csv" "$work/texts-1.csv.gz" "$work/texts-2.jsonl")
    third=$((TEXTS / 3))
    generate csv 0 "$third" >"${input[0]}"
    generate csv "$third" "$third" | gzip -n >"${input[1]}"
    generate jsonl $((2 * third)) $((TEXTS - 2 * third)) >"${input[2]}"
fi

realpath "${input[@]}" "$disk" >"$work/paths"

# --- a disk that can be filled ------------------------------------------------------------------------------------------------------------------------

mkdir -p "$disk"
if [ "$FULL_DISKS" -gt 0 ]; then
    megabytes=$((64 + TEXTS * 8 / 1000))
    if mount -t tmpfs -o "size=${megabytes}m" tmpfs "$disk" 2>"$work/mount"; then
        mounted=yes
    else
        echo "jobs-same-bytes: NO FULL DISKS are tried, since no tmpfs can be mounted here: $(<"$work/mount")" >&2
        FULL_DISKS=0
    fi
fi

# --- workers and what happens to them ---------------------------------------------------------------------------------------------------------------

missing() { # numbers of the shards without a completion record
    local shard
    for ((shard = 0; shard < shards; shard++)); do
        printf -v name '%s/shards/%06d.done.json' "$job" "$shard"
        [ -e "$name" ] || echo "$shard"
    done
}

# worker NAME: takes some missing shards at random, until none is left. Each process leaves a line in the log: its exit code, and why.
worker() {
    local name=$1 chosen code why
    RANDOM=$((SEED * 1000 + shards * 10 + name))
    while chosen=$(missing | shuf -n $((1 + RANDOM % 8)) | paste -sd,) && [ -n "$chosen" ]; do
        # The threads do not change the bytes either.
        dotnet "$BIN/llmembed.dll" job run "$job" --shards "$chosen" --threads $((1 + RANDOM % 2)) >"$work/out.$name" 2>"$work/err.$name" </dev/null &
        echo $! >"$work/pid.$name"
        code=0
        wait $! 2>/dev/null || code=$?
        rm -f "$work/pid.$name"
        why=$(tr '\n' ' ' <"$work/err.$name")
        echo "$code $why" >>"$log"
        case $code in
            0 | 137) ;;
            75) sleep 0.3 ;;
            *) break ;;
        esac
    done 2>/dev/null # the shell tells of every kill
}

# killer KILLS: kills one of the two processes with SIGKILL at random moments, until so many were killed. Two of three wait until it has texts or a
# file of the job open, since a process spends much of a short life on starting.
killer() {
    local name pid before seen
    RANDOM=$((SEED * 77 + shards))
    while [ "$(killed)" -lt "$1" ]; do
        random_sleep 0 "$PAUSE"
        name=$((RANDOM % 2))
        pid=$(cat "$work/pid.$name" 2>/dev/null) && [ -n "$pid" ] || continue
        seen=
        if [ $((RANDOM % 3)) != 0 ]; then
            while [ -e "/proc/$pid/fd/0" ] && ! is_at_work "$pid"; do sleep 0.01; done
            seen=yes
            [ $((RANDOM % 2)) = 0 ] || random_sleep 0 "$AIM"
        elif is_at_work "$pid"; then
            seen=yes
        fi
        before=$(killed)
        kill -KILL "$pid" 2>/dev/null || continue
        for ((i = 0; i < 50 && $(killed) == before; i++)); do sleep 0.02; done
        [ -z "$seen" ] || [ "$(killed)" = "$before" ] || echo "$pid" >>"$work/at-work"
    done
}

is_at_work() { find "/proc/$1/fd" -printf '%l\n' 2>/dev/null | grep -qF -f "$work/paths"; }

# filler TIMES: fills the disk until a process has ended for it, and frees it again.
filler() {
    local left before
    RANDOM=$((SEED * 55 + shards))
    for ((left = $1; left > 0; left--)); do
        random_sleep 1 "$PAUSE"
        before=$(ended_by_full_disk)
        for ((i = 0; i < 600; i++)); do
            # What others remove leaves room, which is filled again.
            head -c "${megabytes}M" /dev/zero >>"$disk/filler" 2>/dev/null || true
            [ "$(ended_by_full_disk)" = "$before" ] || { echo hit >>"$work/full"; break; }
            sleep 0.1
        done
        rm -f "$disk/filler"
    done
}

# random_sleep LEAST MEAN
random_sleep() { sleep "$(awk -v least="$1" -v mean="$2" -v random=$RANDOM 'BEGIN { print least + 2 * mean * random / 32768 }')"; }
killed() { grep -c '^137 ' "$log" || true; }
ended_by_full_disk() { grep -ci '^75 .*no space left' "$log" || true; }

# --- one run ------------------------------------------------------------------------------------------------------------------------------------------

# plan SHARDS: a plan for the case in $job
plan() {
    rm -rf "$job"
    local options=(--task embed --backbone "$BACKBONE" --depths "$DEPTHS" --max-tokens "$MAX_TOKENS" --precision "$precision")
    [ "$task" = embed ] || options=(--task predict --model "$work/model-$precision")
    tool job plan "${input[@]}" --output "$job" "${options[@]}" --shards "$1" >"$work/plan.out" 2>"$work/plan.err" ||
        fail "job plan ended with $?: $(<"$work/plan.err")"
    shards=$(tool job status "$job" --json 2>/dev/null | tr -d ' \n' | grep -oE '"shards":[0-9]+' | grep -oE '[0-9]+' || true)
    shards=${shards:-$1}
}

# finish NAME: checks and merges what lies in $job, and sets hash and rejected
finish() {
    tool job status "$job" >"$work/status" 2>&1 || fail "$1: job status ended with $?: $(tail -n 3 "$work/status")"
    tool job verify "$job" >"$work/verify" 2>&1 || fail "$1: job verify ended with $?: $(tail -n 3 "$work/verify")"
    local merged=$work/merged.jsonl
    [ "$task" = predict ] || merged=$work/merged.safetensors
    rm -f "$work"/merged.*
    tool job merge "$job" --output "$merged" >"$work/merge" 2>&1 || fail "$1: job merge ended with $?: $(tail -n 3 "$work/merge")"
    hash=$(sha256sum <"$merged" | cut -d' ' -f1)
    bytes=$(stat -c %s "$merged")
    touch "$merged.rejected.jsonl" # there is none without bad rows
    rejected=$(sha256sum <"$merged.rejected.jsonl")
    rejected_rows=$(wc -l <"$merged.rejected.jsonl")
    left=$(find "$job" -name '*.tmp' -o -name '*.units' -o -name '*.running.json' -o -name '*.failed.json' | wc -l)
}

disturbed() { # KILLS FULL_DISKS
    local name pids=()
    : >"$log"
    : >"$work/at-work"
    : >"$work/full"
    for name in 0 1; do
        worker "$name" &
        pids+=($!)
    done
    local others=()
    killer "$1" &
    others+=($!)
    filler "$2" &
    others+=($!)
    wait "${pids[@]}" || true
    kill "${others[@]}" 2>/dev/null || true
    wait "${others[@]}" 2>/dev/null || true
    rm -f "$disk/filler"
    killed=$(killed)
    at_work=$(wc -l <"$work/at-work")
    full=$(wc -l <"$work/full")
    transient=$(($(grep -c '^75 ' "$log" || true) - $(ended_by_full_disk)))
    processes=$(wc -l <"$log")
    local odd
    odd=$(grep -vE '^(0|137|75) ' "$log" || true)
    [ -z "$odd" ] || fail "$case, $shards shards: a process ended with a code that nobody promised: ${odd:0:500}"
    ! grep -qE '   at [A-Z]' "$log" || fail "$case, $shards shards: a stack trace: $(grep -m1 '   at ' "$log" | cut -c1-500)"
}

# --- all runs ---------------------------------------------------------------------------------------------------------------------------------------

for precision in $(tr ' ' '\n' <<<"$CASES" | grep predict | cut -d: -f2 | sort -u); do
    rm -rf "$work/model-$precision"
    tool train --data "$train" --backbone "$BACKBONE" --depths "$DEPTHS" --max-tokens "$MAX_TOKENS" --precision "$precision" \
        --output "$work/model-$precision" >"$work/train.out" 2>"$work/train.err" || fail "train: $(tail -n 1 "$work/train.err")"
done
echo "$TEXTS texts in ${#input[@]} files of $(cat "${input[@]}" | wc -c) bytes; $BACKBONE, depth $DEPTHS, $MAX_TOKENS tokens; two workers, seed $SEED."
echo
echo "| case | shards | seconds | processes | SIGKILLs (of these at work) | full disks | other code 75 | bad rows | left over | bytes | sha256 of the merged file |"
echo "|---|---|---|---|---|---|---|---|---|---|---|"
read -r -a numbers <<<"$SHARDS"
log=$work/log
different=0 killed_in_all=0 full_in_all=0 cases=0 runs=0
for case in $CASES; do
    task=${case%:*} precision=${case#*:}
    job=$disk/job
    cases=$((cases + 1))
    plan 1
    start=$SECONDS
    tool job run "$job" >"$work/out" 2>"$work/err" || fail "$case, one worker: job run ended with $?: $(tail -n 3 "$work/err")"
    took=$((SECONDS - start))
    finish "$case, one worker"
    expected=$hash expected_rejected=$rejected
    echo "| $case | $shards, one worker, undisturbed | $took | 1 |  |  |  | $rejected_rows | $left | $bytes | $hash |"
    for i in "${!numbers[@]}"; do
        kills=$(((KILLS + i) / ${#numbers[@]})) disks=$(((FULL_DISKS + i) / ${#numbers[@]}))
        # A run that ended before all kills and full disks came is right too; another one gets the rest.
        for ((try = 0; try == 0 || (try < 9 && (kills > 0 || disks > 0)); try++)); do
            plan "${numbers[i]}"
            start=$SECONDS
            disturbed "$kills" "$disks"
            took=$((SECONDS - start))
            finish "$case, $shards shards"
            verdict=
            [ "$hash" = "$expected" ] || verdict=' DIFFERENT'
            [ "$rejected" = "$expected_rejected" ] || verdict="$verdict OTHER BAD ROWS"
            [ -z "$verdict" ] || different=$((different + 1))
            runs=$((runs + 1)) kills=$((kills - killed)) disks=$((disks - full))
            killed_in_all=$((killed_in_all + killed)) full_in_all=$((full_in_all + full))
            echo "| $case | $shards | $took | $processes | $killed ($at_work) | ${mounted:+$full} | $transient | $rejected_rows | $left | $bytes | $hash$verdict |"
        done
    done
done
echo
echo "$runs disturbed runs: $different differ; $killed_in_all kills (asked for: $((KILLS * cases))), $full_in_all full disks (asked for: $((FULL_DISKS * cases)))."
[ -n "$mounted" ] || echo "Full disks were not tried."
[ "$different" = 0 ] && [ "$killed_in_all" -ge $((KILLS * cases)) ] && [ "$full_in_all" -ge $((FULL_DISKS * cases)) ]
