#!/usr/bin/env bash
# Trains on a table with the starter MiniLM by each way in which it can be named (folder, Hub, cache, commit, a GGUF file if one is given) and prints
# the hash of each head. All must be the same.
#
#   tests/hub-same-head.sh TRAIN TEST [OPTION...]     options of train; GGUF=FILE.gguf in the environment names a GGUF file of the same model
#
# BIN=FOLDER in the environment names a folder that holds a build of both programs, such as that of the tests. Needs the .NET SDK, bash and coreutils.
# Exits with 1 if two heads of safetensors differ; a GGUF file may hold other numbers, so its head is only printed.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
train=$(realpath "$1") test=$(realpath "$2") gguf=${GGUF:+$(realpath "$GGUF")}
shift 2
options=("$@")
scratch=$(mktemp -d)
hub=
trap '[ -z "$hub" ] || kill "$hub" 2>/dev/null || true; rm -rf "$scratch"' EXIT
build() { dotnet build "$repository/$1" -c Release --output "$scratch/$2" --nologo -v quiet >&2; }
[ -n "${BIN:-}" ] || { build src/LlmEmbed.Cli tool; build tests/LlmEmbed.FakeHub hub; }
tool=${BIN:-$scratch/tool}/llmembed.dll server=${BIN:-$scratch/hub}/LlmEmbed.FakeHub.dll

mkdir -p "$scratch/models/someone"
cp -rL "$repository/models/all-minilm-l6-v2" "$scratch/models/someone/minilm"
[ -z "$gguf" ] || cp "$gguf" "$scratch/models/someone/minilm/minilm-F32.gguf"
mkfifo "$scratch/open"
dotnet "$server" "$scratch/models" <"$scratch/open" >"$scratch/address" &
hub=$!
exec 3>"$scratch/open"
until [ -s "$scratch/address" ]; do sleep 0.1; done
export HF_ENDPOINT=$(head -n 1 "$scratch/address") HF_HUB_CACHE=$scratch/cache HF_HUB_DISABLE_IMPLICIT_TOKEN=1
unset HF_HUB_OFFLINE

# head NAME BACKBONE [OPTION...]: trains and prints the hash of the head and the accuracy.
head_of() {
    local name=$1 backbone=$2
    shift 2
    (cd "$scratch" && dotnet "$tool" train --data "$train" --test "$test" --backbone "$backbone" --precision fp32 --cache none \
        --output "$scratch/model" --json "${options[@]}" "$@") >"$scratch/result" 2>"$scratch/notes" || { cat "$scratch/notes"; exit 1; }
    echo "$(sha256sum "$scratch/model/head.safetensors" | cut -c1-16)  $(grep -oE '"accuracy":[0-9.]+' "$scratch/result" | head -n 1)  $name"
    rm -rf "$scratch/model"
}

{
    head_of "a folder" "$repository/models/all-minilm-l6-v2"
    head_of "a name on the Hub, not in the cache" someone/minilm
    head_of "the same, in the cache, offline" someone/minilm --offline
    head_of "its commit" "someone/minilm@0123456789abcdef0123456789abcdef01234567"
} | tee "$scratch/heads"
[ -z "$gguf" ] || head_of "a GGUF file on the Hub" someone/minilm:F32
[ "$(cut -d' ' -f1 "$scratch/heads" | sort -u | wc -l)" = 1 ]
