#!/usr/bin/env bash
# Gives llmembed one bad input after the other and prints what it answers as a Markdown table.
#
#   tests/bad-inputs.sh [llmembed.dll | executable]      without an argument the tool is built first
#
# Needs the .NET SDK, bash, coreutils and sed. Each case runs in an empty folder of its own and must end with the expected exit code, with one
# line on standard error that holds the expected words, without a stack trace, without data on standard output, and without having left a file
# behind. The script exits with 1 if a case does not.
set -euo pipefail
export LC_ALL=C
# No case may ask the Hub; those about it say what happens without it.
export HF_HUB_OFFLINE=1
# Each case is a process of its own that lives for a moment: code that is compiled for long runs would only cost time.
export DOTNET_TieredPGO=0

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
fixtures=$repository/tests/LlmEmbed.Tests/Fixtures
scratch=$(mktemp -d)
small_disk=
trap 'leave_small_disk; rm -rf "$scratch"' EXIT
failures=0
cases=0

llmembed() {
    case $tool in
        *.dll) timeout 120 dotnet "$tool" "$@" ;;
        *) timeout 120 "$tool" "$@" ;;
    esac
}

# --- one case -------------------------------------------------------------------------------------------------------------------------------

# start NAME: a new case in an empty folder.
start() {
    name=$1
    cases=$((cases + 1))
    mkdir "$scratch/$cases"
    cd "$scratch/$cases"
}

# refuse EXIT_CODE WORDS ARGUMENT...: runs the tool, which must refuse for the reason that WORDS name.
refuse() {
    local expected=$1 words=$2 code=0 before message
    shift 2
    before=$(files)
    llmembed "$@" >"$scratch/stdout" 2>"$scratch/stderr" </dev/null || code=$?
    message=$(said)
    report "$code" "$message" "$@"
    [ "$code" = "$expected" ] || fault "exit code $code, expected $expected"
    [[ $message == *"$words"* ]] || fault "the message lacks: $words"
    [ "$expected" = 2 ] || [[ -n $message && $message != *$'\n'* ]] || fault "not one line on standard error"
    [ ! -s "$scratch/stdout" ] || fault "data on standard output"
    [ "$(files)" = "$before" ] || fault "left behind: $(diff <(echo "$before") <(files) | grep '^[<>]' | tr '\n' ' ')"
    no_stack_trace
}

# accept WORDS ARGUMENT...: runs the tool, which must succeed and say WORDS.
accept() {
    local words=$1 code=0 message
    shift
    llmembed "$@" >"$scratch/stdout" 2>"$scratch/stderr" </dev/null || code=$?
    message=$(grep -hF -- "$words" "$scratch/stdout" "$scratch/stderr" || true)
    report "$code" "$message" "$@"
    [ "$code" = 0 ] || fault "exit code $code, expected 0: $(said)"
    [ -n "$message" ] || fault "the output lacks: $words"
    no_stack_trace
}

skip() { echo "| $name | | | skipped: $1 |"; }

# What the tool said on standard error, without the lines that tell how far it is ("Reading bert: 8 of 8 texts") and how it read its data.
said() { sed -E "/^[^:]+: [0-9,]+ of [0-9,]+ /d; /: text in '/d" "$scratch/stderr"; }

# Everything in the case's folder but what a cache keeps on purpose.
files() { find . -path '*/cache/*' -prune -o -print | sort; }

no_stack_trace() { ! grep -qE '^ +at |Unhandled exception' "$scratch/stdout" "$scratch/stderr" || fault "a stack trace"; }

report() {
    local code=$1 message=${2//|/\\|}
    message=${message//$PWD\//}
    shift 2
    echo "| $name | \`llmembed $*\` | $code | ${message//$'\n'/<br>} |"
}

fault() {
    failures=$((failures + 1))
    echo "FAILED: $name: $1" >&2
}

# pointer FILE: what Git LFS leaves in place of a large file.
pointer() { printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 90868376\n' 0 >"$1"; }

# --- inputs ---------------------------------------------------------------------------------------------------------------------------------

# Eight sound examples of two classes.
sound_data() {
    echo text,label
    local i
    for i in 1 2 3 4; do
        echo "a fine film number $i,good"
        echo "a dull film number $i,bad"
    done
}

# copy FIXTURE: a checkpoint of one's own under the same name.
copy() { cp -r "$fixtures/$1" .; }

# patch FILE OFFSET BYTES: overwrites bytes, which are written as for printf.
patch() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }

# replace FILE FROM TO: replaces the first occurrence, which must be there; a text of the same length keeps a binary file sound otherwise.
replace() {
    local from
    grep -qF -- "$2" "$1" || { echo "$name: no '$2' in $1" >&2; exit 1; }
    from=$(printf '%s' "$2" | sed 's/[][\\.*^$|]/\\&/g')
    sed -i "0,\\|$from|s||$3|" "$1"
}

# 8 bytes, least significant first, as escapes for printf.
uint64() {
    local value=$1 i
    for i in 1 2 3 4 5 6 7 8; do
        printf '\\x%02x' $((value & 255))
        value=$((value >> 8))
    done
}

# safetensors FILE HEADER BYTES: a file with that header and so many zeros as data.
safetensors() {
    printf "$(uint64 ${#2})" >"$1"
    printf '%s' "$2" >>"$1"
    head -c "$3" /dev/zero >>"$1"
}

# data_offset FILE: where the data of a safetensors file begins.
data_offset() { echo $((8 + $(od -An -tu8 -N8 "$1"))); }

# A backbone of the fixtures, a sound file and a trained classifier, for cases that damage something else.
with_backbone() { ln -s "$fixtures/$1" "$1"; }
with_data() { sound_data >data.csv; }
with_model() { cp -r "$scratch/model" model; }

train() { echo "train --data $1 --backbone bert --output model --cache none"; }

# The same with one view and one kind of head, for cases that train to the end and are about something else.
train_fast() { echo "$(train "$1") --depths 1 --head linear --precision fp32 --no-words"; }

# A file system of so many KiB at ./disk; fails where this user cannot mount one.
enter_small_disk() {
    mkdir disk
    mount -t tmpfs -o "size=$1k" none disk 2>/dev/null || return 1
    small_disk=$PWD/disk
}

leave_small_disk() {
    [ -z "$small_disk" ] || umount "$small_disk"
    small_disk=
}

# --- the tool and a classifier --------------------------------------------------------------------------------------------------------------

if [ $# -gt 0 ]; then
    tool=$(realpath "$1")
else
    dotnet build "$repository/src/LlmEmbed.Cli" -c Release --output "$scratch/tool" --nologo -v quiet >&2
    tool=$scratch/tool/llmembed.dll
fi
sound_data >"$scratch/data.csv"
llmembed train --data "$scratch/data.csv" --backbone "$fixtures/bert" --depths 3,4 --output "$scratch/model" --cache none >/dev/null 2>&1

echo "| case | command | exit code | message |"
echo "|---|---|---|---|"

# --- tables ---------------------------------------------------------------------------------------------------------------------------------

start "missing file"; with_backbone bert
refuse 1 "nowhere.csv: there is no such file" $(train nowhere.csv)

start "a folder instead of a file"; with_backbone bert; mkdir data.csv
refuse 1 "data.csv: this is a folder, expected a file" $(train data.csv)

start "empty file"; with_backbone bert; : >data.csv
refuse 1 "data.csv: " $(train data.csv)

start "header only"; with_backbone bert; echo text,label >data.csv
refuse 1 "data.csv: there are no rows" $(train data.csv)

start "missing column"; with_backbone bert; with_data; replace data.csv label stars
refuse 1 "--label-column" $(train data.csv)

start "named column missing"; with_backbone bert; with_data
refuse 1 "there is no column 'body'" $(train data.csv) --text-column body

start "column named twice"; with_backbone bert; printf 'text,label,text\na,b,c\n' >data.csv
refuse 1 "both called 'text'" $(train data.csv)

start "empty text"; with_backbone bert; with_data; echo ',good' >>data.csv
refuse 1 "data.csv, line 10: the text ('text') is empty" $(train data.csv)

start "empty text, skipped"; with_backbone bert; with_data; echo ',good' >>data.csv
accept "no text: 1 (first: line 10)" $(train_fast data.csv) --skip-bad-rows

start "empty label"; with_backbone bert; with_data; echo 'a film,' >>data.csv
refuse 1 "data.csv, line 10: the label ('label') is empty" $(train data.csv)

start "empty label, skipped"; with_backbone bert; with_data; echo 'a film,' >>data.csv
accept "no label: 1 (first: line 10)" $(train_fast data.csv) --skip-bad-rows

start "one class only"; with_backbone bert; sound_data | grep -v bad >data.csv
refuse 1 "all examples are of the class 'good'" $(train data.csv)

start "prompt with two places for the text"; with_backbone bert; with_data
refuse 1 "must hold {text} once" $(train data.csv) --prompt "{text}, {text}"

start "prompt in a reference recipe"; with_backbone bert; with_data
refuse 1 "know neither prompts nor time budgets" train --data data.csv --output model --cache none --recipe reference --llama bert --bert bert --roberta bert --sigma 1 --epochs 1 --unpadded --prompt '{text}:'

start "budget that is no time"; with_backbone bert; with_data
refuse 2 "expected a time such as 90s, 5m or 1h" $(train data.csv) --budget soon

start "class with one example"; with_backbone bert; with_data; echo 'a film,odd' >>data.csv
refuse 1 "the only example of the class 'odd'" $(train data.csv)

start "class with one example, skipped"; with_backbone bert; with_data; echo 'a film,odd' >>data.csv
accept "the only example of its class: 1" $(train_fast data.csv) --skip-bad-rows

start "not UTF-8"; with_backbone bert; with_data; printf 'caf\xe9,good\n' >>data.csv
refuse 1 "UTF-8" $(train data.csv)

start "unbalanced quotes"; with_backbone bert; with_data; printf '"a film,good\nanother,bad\n' >>data.csv
refuse 1 "data.csv, line 10" $(train data.csv)

start "row with too many fields"; with_backbone bert; with_data; echo 'a film, long,good' >>data.csv
refuse 1 "data.csv, line 10" $(train data.csv)

start "row with too many fields, skipped"; with_backbone bert; with_data; echo 'a film, long,good' >>data.csv
accept "cannot be read: 1 (first: line 10)" $(train_fast data.csv) --skip-bad-rows

start "quotes that are characters, in csv"; with_backbone bert; with_data; echo 'the 5" box,good' >>data.csv
refuse 1 "data.csv, line 10: the field that begins here holds a quote but is not quoted" $(train data.csv)

start "quotes that are characters, by option"; with_backbone bert; with_data; echo 'the 5" box,good' >>data.csv
accept "quotes are characters" $(train_fast data.csv) --quotes none

start "quotes that are characters, in tsv"; with_backbone bert; { sound_data | tr , '\t'; printf 'the 5" box\tgood\n'; } >data.tsv
accept "quotes are characters" $(train_fast data.tsv)

start "stray quotes that swallow rows"; with_backbone bert; { sound_data; printf '"a,good\nb,bad\nc",good\n'; } >data.csv
accept "Lines 10 to 12 were read as one row" $(train_fast data.csv)

start "semicolons"; with_backbone bert; sound_data | tr , ';' >data.csv
accept "text in 'text', label in 'label' (csv, semicolons," $(train_fast data.csv)

start "separator that is a word"; with_backbone bert; with_data
refuse 2 "--separator is 'colons', expected one ASCII character" $(train data.csv) --separator colons

start "separator for JSON lines"; with_backbone bert; printf '{"text":"a","label":"b"}\n' >data.jsonl
refuse 1 "belong to csv and tsv" $(train data.jsonl) --separator ';'

start "no header"; with_backbone bert; sound_data | tail -n +2 >data.csv
refuse 1 "give --no-header" $(train data.csv)

start "gzip"; with_backbone bert; sound_data | gzip >data.csv.gz
accept "RFC 4180, gzip)" $(train_fast data.csv.gz)

start "gzip that is cut off"; with_backbone bert; sound_data | gzip | head -c 60 >data.csv.gz
refuse 1 "the gzip data is damaged or cut off" $(train data.csv.gz)

start "Excel workbook"; with_backbone bert; printf 'PK\003\004xxxxxxxx' >data.csv
refuse 1 "this is an Excel workbook or a ZIP archive" $(train data.csv)

start "UTF-16"; with_backbone bert; sound_data | iconv -t UTF-16 >data.csv
refuse 1 "this is UTF-16 text" $(train data.csv)

start "NUL byte"; with_backbone bert; { sound_data; printf 'a\0b,good\n'; } >data.csv
refuse 1 "data.csv, line 10: the byte 0x00 (NUL)" $(train data.csv)

start "Git LFS pointer as data"; with_backbone bert; printf 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n' >data.csv
refuse 1 "this is a Git LFS pointer" $(train data.csv)

start "path that ends in a carriage return"; with_backbone bert; with_data
refuse 1 'data.csv\u000d: there is no such file' train --data $'data.csv\r' --backbone bert --output model --cache none

start "JSON line with half of a surrogate pair"; with_backbone bert; printf '{"text":"a","label":"b"}\n{"text":"\\ud83d","label":"b"}\n' >data.jsonl
refuse 1 "data.jsonl, line 2: a string holds half of a surrogate pair" $(train data.jsonl)

start "JSON record without label first"; with_backbone bert; printf '{"text":"a"}\n{"text":"b","label":"c"}\n' >data.jsonl
refuse 1 "data.jsonl, line 1: the label ('label') is empty" $(train data.jsonl)

start "JSON array of all records"; with_backbone bert; printf '[{"text":"a","label":"b"}]\n' >data.jsonl
refuse 1 "write each object on a line of its own" $(train data.jsonl)

start "JSON line that is no object"; with_backbone bert; printf '{"text":"a","label":"b"}\n["a","b"]\n' >data.jsonl
refuse 1 "data.jsonl, line 2" $(train data.jsonl)

start "JSON line that is cut off"; with_backbone bert; printf '{"text":"a","label":"b"}\n{"text":"a\n' >data.jsonl
refuse 1 "data.jsonl, line 2" $(train data.jsonl)

start "nested text"; with_backbone bert; printf '{"text":{"en":"a"},"label":"b"}\n' >data.jsonl
refuse 1 "nested value" $(train data.jsonl)

start "no Parquet file"; with_backbone bert; sound_data >data.parquet
refuse 1 "data.parquet: " $(train data.parquet)

start "unknown extension"; with_backbone bert; sound_data >data.xls
refuse 1 "the extension '.xls'" $(train data.xls)

# --- checkpoints: safetensors ---------------------------------------------------------------------------------------------------------------

start "truncated safetensors"; with_data; copy bert; truncate -s 200000 bert/model.safetensors
refuse 1 "bert/model.safetensors: " $(train data.csv)

start "safetensors of 5 bytes"; with_data; copy bert; truncate -s 5 bert/model.safetensors
refuse 1 "the file has 5 bytes" $(train data.csv)

start "safetensors header too long"; with_data; copy bert; patch bert/model.safetensors 0 "$(uint64 1152921504606846976)"
refuse 1 "the header claims 1152921504606846976 bytes" $(train data.csv)

start "safetensors header that is no JSON"; with_data; copy bert; patch bert/model.safetensors 8 '[[[['
refuse 1 "the header is not the JSON" $(train data.csv)

start "offsets outside of the file"; with_data; copy bert
safetensors bert/model.safetensors '{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[4],"data_offsets":[16,32]}}' 20
refuse 1 "the tensor 'b' ends at byte 32" $(train data.csv)

start "negative offset"; with_data; copy bert
safetensors bert/model.safetensors '{"a":{"dtype":"F32","shape":[4],"data_offsets":[-16,0]}}' 16
refuse 1 "the tensor 'a' has -16" $(train data.csv)

start "overlapping tensors"; with_data; copy bert
safetensors bert/model.safetensors '{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[4],"data_offsets":[8,24]}}' 24
refuse 1 "the tensor 'b' overlaps the one before it" $(train data.csv)

start "shape whose product overflows"; with_data; copy bert
safetensors bert/model.safetensors '{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,16]}}' 16
refuse 1 "does not take the 16 bytes" $(train data.csv)

start "shape other than the configuration's"; with_data; copy bert; replace bert/model.safetensors '[460,32]' '[32,460]'
refuse 1 "has the shape [32,460], expected [460,32]" $(train data.csv)

start "missing tensor"; with_data; copy bert; replace bert/model.safetensors layer.0.output.dense.weight layer.0.output.dense.wxxxxx
refuse 1 "the tensor 'encoder.layer.0.output.dense.weight' of shape" $(train data.csv)

start "missing shard"; with_data; copy llama-mha; rm llama-mha/model-00002-of-00002.safetensors
refuse 1 "llama-mha/model-00002-of-00002.safetensors: " train --data data.csv --backbone llama-mha --output model --cache none

start "NaN as a weight"; with_data; copy bert; patch bert/model.safetensors $(($(data_offset bert/model.safetensors) + 84736)) '\x00\x00\xc0\x7f'
refuse 1 "NaN" $(train data.csv)

start "no weights, but a pickle"; with_data; copy bert; mv bert/model.safetensors bert/pytorch_model.bin
refuse 1 "pytorch_model.bin is a pickle" $(train data.csv)

start "Git LFS pointer in place of the weights"; with_data; copy bert; pointer bert/model.safetensors
refuse 1 "bert/model.safetensors: this is a Git LFS pointer and not the file itself, which has 90,868,376 bytes" $(train data.csv)

start "Git LFS pointer in place of the tokenizer"; with_data; copy bert; pointer bert/tokenizer.json
refuse 1 "bert/tokenizer.json: this is a Git LFS pointer" $(train data.csv)

start "two models in one file"; with_data; copy bert
safetensors bert/model.safetensors '{"a.embeddings.word_embeddings.weight":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b.embeddings.word_embeddings.weight":{"dtype":"F32","shape":[4],"data_offsets":[16,32]}}' 32
refuse 1 "the checkpoint holds several models" $(train data.csv)

# --- checkpoints: GGUF ----------------------------------------------------------------------------------------------------------------------

gguf=llama-mha-Q4_0.gguf
train_gguf="train --data data.csv --backbone $gguf --output model --cache none"

start "truncated GGUF"; with_data; head -c 40000 "$fixtures/gguf/$gguf" >"$gguf"
refuse 1 "$gguf: " $train_gguf

start "Git LFS pointer in place of a GGUF file"; with_data; pointer "$gguf"
refuse 1 "$gguf: this is a Git LFS pointer" $train_gguf

start "GGUF that ends in its metadata"; with_data; head -c 900 "$fixtures/gguf/$gguf" >"$gguf"
refuse 1 "$gguf: " $train_gguf

start "GGUF with a bad magic number"; with_data; cp "$fixtures/gguf/$gguf" .; patch "$gguf" 0 GGML
refuse 1 "$gguf: " $train_gguf

start "GGUF of an unknown version"; with_data; cp "$fixtures/gguf/$gguf" .; patch "$gguf" 4 '\x09'
refuse 1 "version 9" $train_gguf

start "GGUF that claims 2^63 - 1 tensors"; with_data; cp "$fixtures/gguf/$gguf" .; patch "$gguf" 8 "$(uint64 9223372036854775807)"
refuse 1 "9223372036854775807" $train_gguf

start "GGUF that claims 2^63 - 1 metadata entries"; with_data; cp "$fixtures/gguf/$gguf" .; patch "$gguf" 16 "$(uint64 9223372036854775807)"
refuse 1 "9223372036854775807" $train_gguf

start "GGUF of an architecture that is not implemented"; with_data; cp "$fixtures/gguf/$gguf" .; patch "$gguf" 64 rwkv6
refuse 1 "the architecture 'rwkv6' is not implemented for GGUF, expected one of bert, " $train_gguf

# --- checkpoints: configuration and tokenizer -----------------------------------------------------------------------------------------------

train_llama="train --data data.csv --backbone llama-gqa --output model --cache none"

start "backbone that ends in a carriage return"; with_data; with_backbone bert
refuse 1 'Backbone '"'"'bert\u000d'"'"' was not found' train --data data.csv --backbone $'bert\r' --output model --cache none

start "missing backbone"; with_data
refuse 1 "Backbone 'bert' was not found" $(train data.csv)

start "repository with two snapshots in the Hugging Face cache"; with_data; mkdir -p hub/models--o--n/snapshots/{aaa,bbb}
HF_HUB_CACHE=hub refuse 1 "o/n has 2 snapshots, and refs/main does not say which one is meant: aaa and bbb" train --data data.csv --backbone o/n --output model --cache none

start "repository without the revision that is asked for"; with_data; mkdir -p hub/models--o--n/snapshots/aaa
HF_HUB_CACHE=hub refuse 1 "neither a branch nor a commit 'v2' of it" train --data data.csv --backbone o/n@v2 --output model --cache none

start "config.json missing"; with_data; copy bert; rm bert/config.json
refuse 1 "config.json: there is no such file, expected a folder" $(train data.csv)

start "config.json that is no JSON"; with_data; copy bert; echo 'hidden_size: 32' >bert/config.json
refuse 1 "bert/config.json: the file is not JSON" $(train data.csv)

start "unknown model_type"; with_data; copy bert; replace bert/config.json '"model_type": "bert"' '"model_type": "mamba"'
refuse 1 "model_type 'mamba' is not implemented" $(train data.csv)

start "unknown key that changes the mathematics"; with_data; copy bert; replace bert/config.json '"vocab_size"' '"logit_softcap": 30, "vocab_size"'
refuse 1 "'logit_softcap' (30)" $(train data.csv)

start "unknown key that is false and may be on by default"; with_data; copy bert; replace bert/config.json '"vocab_size"' '"causal_mask": false, "vocab_size"'
refuse 1 "the key 'causal_mask' (false) is not known for model_type 'bert'" $(train data.csv)

start "unknown key that is accepted"; with_data; copy bert; replace bert/config.json '"vocab_size"' '"causal_mask": false, "vocab_size"'
accept "passed over because you accept it: causal_mask" $(train data.csv) --accept-config-keys causal_mask

start "unknown key that does not speak of the mathematics"; with_data; copy bert; replace bert/config.json '"vocab_size"' '"my_note": "x", "vocab_size"'
accept "'my_note' (\"x\")" $(train data.csv)

start "known key that asks for something else"; with_data; copy bert; replace bert/config.json '"vocab_size"' '"pruned_heads": {"0": [1]}, "vocab_size"'
refuse 1 "'pruned_heads' is {\"0\": [1]}, expected {}" $(train data.csv) --accept-config-keys pruned_heads

start "neither model_type nor architectures"; with_data; copy bert; replace bert/config.json '"model_type"' '"my_type"'; replace bert/config.json '"architectures"' '"my_classes"'
refuse 1 "neither 'model_type' nor a known class in 'architectures'" $(train data.csv)

start "rope_scaling of type yarn"; with_data; copy llama-gqa; replace llama-gqa/config.json '"rope_scaling": null' '"rope_scaling": {"type": "yarn", "factor": 4.0}'
refuse 1 "yarn" $train_llama

start "hidden_act other than the architecture's"; with_data; copy bert; replace bert/config.json '"hidden_act": "gelu"' '"hidden_act": "relu"'
refuse 1 "'hidden_act' is \"relu\"" $(train data.csv)

start "hidden size of 0"; with_data; copy bert; replace bert/config.json '"hidden_size": 32' '"hidden_size": 0'
refuse 1 "'hidden_size' is 0" $(train data.csv)

start "heads that do not divide the hidden size"; with_data; copy bert; replace bert/config.json '"num_attention_heads": 4' '"num_attention_heads": 5'
refuse 1 "'hidden_size' is 32, expected a multiple of 'num_attention_heads', which is 5" $(train data.csv)

start "key-value heads that do not divide the heads"; with_data; copy llama-gqa; replace llama-gqa/config.json '"num_key_value_heads": 2' '"num_key_value_heads": 3'
refuse 1 "'num_attention_heads' is 4, expected a multiple of 'num_key_value_heads', which is 3" $train_llama

start "heads with an odd number of channels"; with_data; copy llama-gqa; replace llama-gqa/config.json '"hidden_size"' '"head_dim": 15, "hidden_size"'
refuse 1 "expected an even number" $train_llama

start "heads with 2^30 channels"; with_data; copy llama-gqa; replace llama-gqa/config.json '"hidden_size"' '"head_dim": 1073741824, "hidden_size"'
refuse 1 "which makes 4294967296 channels of 4 heads, too many" $train_llama

start "2^31 - 1 blocks"; with_data; copy llama-gqa; replace llama-gqa/config.json '"num_hidden_layers": 3' '"num_hidden_layers": 2147483647'
refuse 1 "2147483647 blocks are asked for" $train_llama --depths all

start "more blocks than the file has"; with_data; copy bert; replace bert/config.json '"num_hidden_layers": 4' '"num_hidden_layers": 6'
refuse 1 "is missing" $(train data.csv)

start "tokenizer with more ids than the model"; with_data; copy distilbert; cp "$fixtures"/bert/{tokenizer.json,vocab.txt} distilbert
refuse 1 "the tokenizer has ids up to 459" train --data data.csv --backbone distilbert --output model --cache none

start "tokenizer missing"; with_data; copy bert; rm bert/tokenizer* bert/vocab.txt
refuse 1 "bert: " $(train data.csv)

start "vocab.json of a class that nothing names"; with_data; copy roberta; rm roberta/tokenizer*; replace roberta/config.json '"roberta"' '"mamba"'
refuse 1 "neither 'tokenizer_class' in tokenizer_config.json nor 'model_type' in config.json" tokenize --backbone roberta

start "vocab.txt that is no UTF-8"; with_data; copy bert; rm bert/tokenizer.json; printf '\xe9\n' >>bert/vocab.txt
refuse 1 "bert/vocab.txt: the file is not UTF-8" $(train data.csv)

start "tokenizer.json that is no JSON"; with_data; copy bert; truncate -s 3000 bert/tokenizer.json
refuse 1 "bert/tokenizer.json" $(train data.csv)

start "tokenizer.json with an unimplemented part"; with_data; copy bert; replace bert/tokenizer.json BertNormalizer Nmt
refuse 1 "Nmt" $(train data.csv)

# --- what is asked of a backbone ------------------------------------------------------------------------------------------------------------

embed="embed --backbone bert --data data.csv --output states.safetensors --cache none"

start "depth outside of 0..L"; with_data; with_backbone bert
refuse 1 "Depth '9' is outside 0..4" $embed --depths 9

start "poolings given twice"; with_data; with_backbone bert
refuse 2 "--pooling" $embed --pooling last --pooling mean

start "depth that is no number"; with_data; with_backbone bert
refuse 1 "'middle' in depths 'middle' is not understood" $embed --depths middle

start "pooler on a checkpoint without one"; with_data; with_backbone bert-mlm
refuse 1 "needs a checkpoint with a pooler" embed --backbone bert-mlm --data data.csv --output states.safetensors --cache none --depths -1 --pooling pooler

start "pooler at a middle depth"; with_data; with_backbone bert
refuse 1 "reads the last depth only" $embed --depths 1 --pooling pooler

start "mean-with-pads without a length"; with_data; with_backbone bert
refuse 1 "--pad-to" $embed --depths last4 --pooling mean-with-pads

start "padding with an id that the model does not have"; with_data; copy bert; replace bert/config.json '"pad_token_id": 0' '"pad_token_id": 460'
refuse 1 "'pad_token_id' is 460" $embed --depths last4 --pooling mean-with-pads --pad-to 40

start "more tokens than positions"; with_data; with_backbone bert
refuse 1 "1 to 64" $embed --max-tokens 65

start "text that gives no token"; with_data; with_backbone llama-gqa; printf 'text\na film\n""\n' >data.csv
refuse 1 "data.csv, line 3: the text gives no token" embed --backbone llama-gqa --data data.csv --output states.safetensors --cache none

start "training text of a zero-width space"; with_backbone bert; { sound_data; printf '\342\200\213,good\n'; } >data.csv
refuse 1 "the text gives no token of its own" $(train data.csv)

start "text to measure on of a zero-width space"; with_model; printf 'text,label\na film,good\n\342\200\213,good\n' >data.csv
refuse 1 "data.csv, line 3: the text gives no token of its own" evaluate model --data data.csv --cache none

start "no room for a text beside the special tokens"; with_data; with_backbone bert
refuse 1 "A limit of 2 tokens leaves no room for a text" $embed --max-tokens 2

start "test file of training texts alone, without these"; with_data; with_backbone bert
refuse 1 "--skip-overlap leaves nothing to measure on" $(train data.csv) --test data.csv --skip-overlap

start "output in a folder that is missing"; with_data; with_backbone bert
refuse 1 "nowhere/states.safetensors: " embed --backbone bert --data data.csv --output nowhere/states.safetensors --cache none

start "report in a folder that is missing: before any work"; with_data
refuse 1 "nowhere/report.html: " train --data data.csv --backbone nobody --output model --report nowhere/report.html

start "table in a folder that is missing: before any work"; with_data
refuse 1 "nowhere/table.md: " compare --data data.csv --test data.csv --backbone nobody --output nowhere/table.md

start "cache that is a file"; with_data; with_backbone bert; : >cache
refuse 1 "--cache cache: no file can be written in this folder" embed --backbone bert --data data.csv --output states.safetensors --cache cache

start "no home and no cache folder named"; with_model
HOME= XDG_CACHE_HOME= accept "name a folder with --cache DIR" predict model hello

# --- classifiers ----------------------------------------------------------------------------------------------------------------------------

start "no classifier"; mkdir model
refuse 1 "model holds no classifier.json" predict model hello

start "classifier that is not there"
refuse 1 "model: there is no such folder" predict model hello

start "classifier of a newer version"; with_model; replace model/classifier.json '"format_version": 6' '"format_version": 7'
refuse 1 "format version 7" predict model hello

start "classifier.json that is cut off"; with_model; truncate -s 300 model/classifier.json
refuse 1 "model/classifier.json is damaged" predict model hello

start "classifier.json of another program"; with_model; echo '{"format": "other"}' >model/classifier.json
refuse 1 "model/classifier.json is damaged" predict model hello

start "classifier.json without labels"; with_model; replace model/classifier.json '"labels"' '"lapels"'
refuse 1 "model/classifier.json is damaged: 'labels' is missing" predict model hello

start "classifier.json with a label that is no string"; with_model; replace model/classifier.json '"bad",' '17,'
refuse 1 "model/classifier.json is damaged" predict model hello

start "head of another size"; with_model; replace model/head.safetensors '[1,64]' '[64,1]'
refuse 1 "model/head.safetensors: The head's tensor 'weight' has the shape" predict model hello

start "head.safetensors truncated"; with_model; truncate -s 100 model/head.safetensors
refuse 1 "model/head.safetensors: " predict model hello

start "head.safetensors missing"; with_model; rm model/head.safetensors
refuse 1 "model/head.safetensors: " predict model hello

start "backbone of a classifier changed"; with_model; copy bert
replace model/classifier.json "\"source\": \"$fixtures/bert\"" '"source": "bert"'; patch bert/model.safetensors 200000 '\x01'
refuse 1 "bert differs in its weights or config.json" predict model hello

start "backbone of a classifier missing"; with_model; replace model/classifier.json "\"source\": \"$fixtures/bert\"" '"source": "nowhere/bert"'
refuse 1 "needs the backbone 'bert'" predict model hello

start "output folder that holds something else"; with_data; with_backbone bert; mkdir model; echo mine >model/notes.txt
refuse 1 "model is not empty and holds no classifier" $(train data.csv)

start "output folder that is a file"; with_data; with_backbone bert; : >model
refuse 1 "model is a file" $(train data.csv)

start "column missing in what is to be predicted"; with_model; printf 'a,b\n1,2\n' >data.csv; echo precious >predictions.csv
refuse 1 "--text-column" predict model --data data.csv --output predictions.csv

# --- full disk ------------------------------------------------------------------------------------------------------------------------------

start "full disk while the cache is written"; with_data; with_backbone bert
if enter_small_disk 4; then
    mkdir disk/cache
    refuse 1 "No space left on device" train --data data.csv --backbone bert --output model --cache disk/cache
    leave_small_disk
else skip "cannot mount"; fi

start "full disk while the classifier is written"; with_data; with_backbone bert
if enter_small_disk 8; then
    refuse 1 "No space left on device" train --data data.csv --backbone bert --output disk/model --cache none
    leave_small_disk
else skip "cannot mount"; fi

start "full disk while states are written"; with_data; with_backbone bert
if enter_small_disk 4; then
    refuse 1 "No space left on device" embed --backbone bert --data data.csv --output disk/states.safetensors --depths all --cache none
    leave_small_disk
else skip "cannot mount"; fi

start "full disk while predictions are piped"; with_model
if [ -e /dev/full ]; then refuse 1 "No space left on device" predict model hello --output /dev/full --output-format csv; else skip "no /dev/full"; fi

start "a folder in place of the predictions: before any work"; with_model; with_data; mkdir out.csv
refuse 1 "out.csv: this is a folder, expected the name of a file" predict model --data data.csv --output out.csv

start "full disk while predictions are written"; with_model; { echo text; seq 3000; } >data.csv
if enter_small_disk 16; then
    : >disk/predictions.csv
    refuse 1 "No space left on device" predict model --data data.csv --output disk/predictions.csv
    leave_small_disk
else skip "cannot mount"; fi

# --- wrong usage ----------------------------------------------------------------------------------------------------------------------------

start "no command"
refuse 2 "--help"

start "unknown command"
refuse 2 "classify" classify model

start "unknown option"; with_data; with_backbone bert
refuse 2 "--epochs" $(train data.csv) --epochs 3

start "missing required option"
refuse 2 "--output" train --data data.csv

start "--top and --all"; with_model
refuse 2 "Give --top or --all, not both" predict model hello --top 2 --all

start "texts and --data"; with_model; with_data
refuse 2 "not both" predict model hello --data data.csv

start "predictions over their own input"; with_model; with_data
refuse 2 "--output ./data.csv is the same as --data data.csv" predict model --data data.csv --output ./data.csv

start "states over their own input"; with_data; with_backbone bert
refuse 2 "--output data.csv is the same as --data data.csv" embed --backbone bert --data data.csv --output data.csv

start "predictions over their input by a symbolic link"; with_model; with_data; ln -s data.csv other.csv
refuse 2 "--output other.csv is the same as --data data.csv" predict model --data data.csv --output other.csv

start "predictions over their input by a hard link"; with_model; with_data; ln data.csv other.csv
refuse 2 "--output other.csv is the same as --data data.csv" predict model --data data.csv --output other.csv

start "predictions over their input through a linked folder"; with_model; with_data; ln -s . folder
refuse 2 "--output folder/data.csv is the same as --data data.csv" predict model --data data.csv --output folder/data.csv

start "report over the data"; with_data; with_backbone bert
refuse 2 "--report data.csv is the same as --data data.csv" $(train data.csv) --report data.csv

start "pictures over the data"; with_model; with_data
refuse 2 "--pictures data.csv is the same as --data data.csv" evaluate model --data data.csv --pictures data.csv

start "report over a file of the classifier"; with_model; with_data
refuse 2 "--report model/classifier.json is a file of MODEL model" evaluate model --data data.csv --report model/classifier.json

start "chart over the weights"; with_data; copy bert
refuse 2 "--svg bert/model.safetensors is a file of --backbone bert" probe --data data.csv --backbone bert --svg bert/model.safetensors --cache none

start "classifier over its backbone"; with_data; copy bert
refuse 2 "--output bert is the same as --backbone bert" train --data data.csv --backbone bert --output bert

start "data in the folder that is replaced"; with_model; with_backbone bert; sound_data >model/data.csv
refuse 2 "--output model is replaced as a whole and holds model/data.csv" $(train model/data.csv)

start "table and page in one file"; with_data
refuse 2 "--report page is the same as --output page" compare --data data.csv --test data.csv --output page --report page

start "mistyped option beside a text"; with_model
refuse 2 "'--tpo' is no option of predict" predict model hello --tpo

start "text that begins with an at sign"; with_model
accept "@united my bag is lost" predict model "@united my bag is lost"

start "embeddings under another extension"; with_data
refuse 2 "expected a name that ends in .safetensors" embed --backbone bert --data data.csv --output states.npy

start "--top of 0"; with_model
refuse 2 "--top is '0', expected a whole number of at least 1" predict model hello --top 0

start "--max-tokens that is no number"; with_data; with_backbone bert
refuse 2 "--max-tokens is 'many', expected a whole number" $embed --max-tokens many

start "unknown pooling"; with_data; with_backbone bert
refuse 2 "Pooling 'average' is not known" $embed --pooling average

start "unknown head"; with_data; with_backbone bert
refuse 2 "--head is 'forest', expected auto or linear or cooccurrence" $(train data.csv) --head forest

start "--skip-overlap without --test"; with_data
refuse 2 "--skip-overlap belongs to --test" $(train data.csv) --skip-overlap

start "--skip-overlap without --trained-on"; with_model; with_data
refuse 2 "--skip-overlap needs --trained-on" evaluate model --data data.csv --skip-overlap

start "fusion for a head that fuses nothing"; with_data
refuse 2 "--fusion belongs to --head cooccurrence" $(train data.csv) --head linear --fusion max

start "a model of the Hub without network"; with_data
refuse 1 "It was not looked for on the Hugging Face Hub because HF_HUB_OFFLINE is set" embed --backbone nobody/nothing --data data.csv --output states.safetensors --cache none

start "download without network"
refuse 1 "nothing is downloaded because HF_HUB_OFFLINE is set" download nobody/nothing

start "download of what is no repository"
refuse 1 "is no name of a repository, expected org/name, org/name:Q8_0" download ../secrets

start "removal of a model that is not in the cache"
refuse 1 "is not in the Hugging Face cache" cache remove nobody/nothing

start "unknown format"; with_data; with_backbone bert
refuse 2 "The format 'xml' is not known" $(train data.csv) --format xml

echo
echo "$cases cases, $failures failures" >&2
[ "$failures" = 0 ]
