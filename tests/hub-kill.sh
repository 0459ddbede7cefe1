#!/usr/bin/env bash
# Downloads a model of 90 MB from a Hub on this machine and kills the download with SIGKILL at 20 random moments; then lets it end, and counts
# what was fetched twice. Then runs a prediction offline under strace and counts its sockets.
#
#   tests/hub-kill.sh [KILLS]
#
# BIN=FOLDER in the environment names a folder that holds a build of both programs, such as that of the tests. Needs the .NET SDK, bash, coreutils,
# curl, and strace for the second part. Exits with 1 if a blob is wrong, more than 16 MB were fetched twice, or a socket was made.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
kills=${1:-20}
megabytes=90
scratch=$(mktemp -d)
hub=
trap '[ -z "$hub" ] || kill "$hub" 2>/dev/null || true; rm -rf "$scratch"' EXIT

build() { dotnet build "$repository/$1" -c Release --output "$scratch/$2" --nologo -v quiet >&2; }
[ -n "${BIN:-}" ] || { build src/LlmEmbed.Cli tool; build tests/LlmEmbed.FakeHub hub; }
tool=${BIN:-$scratch/tool}/llmembed.dll server=${BIN:-$scratch/hub}/LlmEmbed.FakeHub.dll

# --- a Hub with one model of 90 MB at 8 MB/s ------------------------------------------------------------------------------------------------------

mkdir -p "$scratch/models/someone/large"
echo '{"model_type":"bert"}' >"$scratch/models/someone/large/config.json"
head -c $((megabytes * 1000000)) /dev/urandom >"$scratch/models/someone/large/model.safetensors"
sha256=$(sha256sum "$scratch/models/someone/large/model.safetensors" | cut -d' ' -f1)
mkfifo "$scratch/open"
dotnet "$server" "$scratch/models" 8000000 <"$scratch/open" >"$scratch/address" &
hub=$!
exec 3>"$scratch/open"
until [ -s "$scratch/address" ]; do sleep 0.1; done
export HF_ENDPOINT=$(head -n 1 "$scratch/address") HF_HUB_CACHE=$scratch/cache HF_HUB_DISABLE_IMPLICIT_TOKEN=1
unset HF_HUB_OFFLINE
blobs=$HF_HUB_CACHE/models--someone--large/blobs

# --- killed again and again -----------------------------------------------------------------------------------------------------------------------

for ((killed = 0; killed < kills; killed++)); do
    dotnet "$tool" download someone/large >/dev/null 2>&1 &
    pid=$!
    sleep "$((RANDOM % 4)).$((RANDOM % 1000))"
    kill -KILL "$pid" 2>/dev/null || { echo "the download ended before kill $((killed + 1))"; break; }
    wait "$pid" 2>/dev/null || true
done
dotnet "$tool" download someone/large >/dev/null
sent=$(curl -s "$HF_ENDPOINT/sent")
needed=$(cat "$scratch"/models/someone/large/* | wc -c)
found=$(sha256sum "$blobs/$sha256" | cut -d' ' -f1)
left=$(find "$HF_HUB_CACHE" -name '*incomplete*' | wc -l)
echo "killed $killed times; $needed bytes needed, $sent sent, $((sent - needed)) twice; unfinished files left: $left"
[ "$found" = "$sha256" ] || { echo "the blob is wrong"; exit 1; }
[ "$left" = 0 ] && [ $((sent - needed)) -le 16000000 ] || exit 1

# --- offline, no socket ---------------------------------------------------------------------------------------------------------------------------

command -v strace >/dev/null || { echo "strace is not installed"; exit 0; }
asked=$(curl -s "$HF_ENDPOINT/asked")
# The runtime's own socket for debuggers is switched off.
DOTNET_EnableDiagnostics=0 strace -f -e trace=%network -o "$scratch/calls" dotnet "$tool" download someone/large --offline >/dev/null
sockets=$(grep -c 'socket(\|connect(' "$scratch/calls" || true)
DOTNET_EnableDiagnostics=0 strace -f -e trace=%network -o "$scratch/calls" dotnet "$tool" download someone/large >/dev/null
online=$(grep -c 'socket(\|connect(' "$scratch/calls" || true)
echo "offline: $sockets calls of socket or connect (online: $online), $(($(curl -s "$HF_ENDPOINT/asked") - asked)) questions, all of the online run"
[ "$sockets" = 0 ] && [ "$online" -gt 0 ]
