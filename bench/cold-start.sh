#!/usr/bin/env bash
# How long commands take from their start to their end, as ratios: each command runs once in each round, in turn, so that what else the machine does
# meets all of them alike.
#
#   bench/cold-start.sh ROUNDS COMMAND...      each command is one argument, given to bash
#
# Prints for each command the median [lowest and highest] of seconds and of processor seconds, and both medians relative to the first command.
# Needs bash, coreutils and awk. A command that fails ends it.
set -euo pipefail
rounds=$1
shift
times=$(mktemp)
trap 'rm -f "$times"' EXIT
TIMEFORMAT='%R %U %S'
for ((round = 0; round < rounds; round++)); do
    for ((place = 1; place <= $#; place++)); do
        result=$({ time bash -c "${!place}" >/dev/null 2>&1; } 2>&1) || { echo "FAILED: ${!place}"; exit 1; }
        echo "$place $result" >>"$times"
    done
done
for ((place = 1; place <= $#; place++)); do
    for column in '$2' '$3 + $4'; do
        awk -v place=$place "\$1 == place { print $column }" "$times" | sort -n |
            awk '{ v[NR] = $1 } END { printf "%.3f [%.3f %.3f] ", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2, v[1], v[NR] }'
    done
    echo " ${!place}"
done | awk '
    { if (NR == 1) { wall = $1; cpu = $4 }
      command = $0
      for (field = 1; field <= 6; field++) sub(/^[^ ]+ +/, "", command)
      printf "%s %s %s s (×%.2f), processor %s %s %s s (×%.2f)  %s\n", $1, $2, $3, $1 / wall, $4, $5, $6, $4 / cpu, command }'
