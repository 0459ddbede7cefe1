#!/usr/bin/env bash
# Packs every package of src/ and uses them as a stranger would: metadata and sizes, the same bytes when packed again, programs in empty projects
# outside the repository with an empty folder of NuGet packages, and the tool installed from the feed.
#
#   tests/packages.sh [--all-platforms]
#
# Without the option the tool is packed for the platform of this machine and for "any". FEED=FOLDER in the environment keeps the packages there. Needs
# bash, the .NET SDK and a NuGet registry; ends with 77 where none can be reached. Takes about two minutes of processor time. Nothing is written into
# the repository: all builds lie in one temporary folder.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=$(mktemp -d)
scratch=$(cd "$scratch" && pwd -P)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM
feed=${FEED:-$scratch/feed}
mkdir -p "$feed"
feed=$(cd "$feed" && pwd -P)
# What an outer 'dotnet test' or a developer's settings would change.
unset MSBuildSDKsPath MSBUILD_EXE_PATH MSBuildExtensionsPath LLMEMBED_MODELS RuntimeIdentifier
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 MSBUILDDISABLENODEREUSE=1 CI=true
export XDG_CACHE_HOME=$scratch/cache HF_HUB_OFFLINE=1

fail() {
    echo "FAILED: $*"
    exit 1
}

# quietly WHAT COMMAND...: shows what a command said only if it fails, and how long it took if it does not. Output goes to a file, since servers of the
# build outlive it and would hold a pipe open.
quietly() {
    local what=$1 begin=$SECONDS
    shift
    if "$@" >"$scratch/log" 2>&1 </dev/null; then
        echo "--- $what: $((SECONDS - begin)) s"
        return
    fi
    if grep -qE 'NU1301|NU1302' "$scratch/log"; then
        grep -m1 -oE 'NU130[12].*' "$scratch/log"
        echo "SKIPPED: the NuGet registry cannot be reached"
        exit 77
    fi
    cat "$scratch/log"
    fail "$what"
}

# --- pack --------------------------------------------------------------------------------------------------------------------------------------------

platform=$(dotnet --info | sed -n 's/^ *RID: *//p' | head -n 1)
[ "${1:-}" = --all-platforms ] || export ToolPlatforms="$platform;any"
{
    echo "<Solution>"
    find "$repository/src" -name '*.csproj' | sort | sed 's/.*/<Project Path="&" \/>/'
    echo "</Solution>"
} >"$scratch/packages.slnx"
pack() {
    dotnet pack "$1" -c Release --artifacts-path "$scratch/artifacts" --output "$2" -p:RunAnalyzers=false -p:ContinuousIntegrationBuild=true
}
quietly "packed" pack "$scratch/packages.slnx" "$feed"
version=$(basename "$feed"/LlmEmbed.Cli.any.*.nupkg .nupkg)
version=${version#LlmEmbed.Cli.any.}
for package in "$feed"/*nupkg; do printf '%12d  %s\n' "$(stat -c %s "$package" 2>/dev/null || stat -f %z "$package")" "${package##*/}"; done

# --- what a package says of itself -------------------------------------------------------------------------------------------------------------------

commit=$(git -C "$repository" rev-parse HEAD 2>/dev/null || true)
for nuspec in $(find "$scratch/artifacts/obj" -name "*.$version.nuspec"); do
    for tag in '<readme>' '<icon>icon.png</icon>' '<license type="expression">Apache-2.0</license>' '<tags>' '<releaseNotes>' \
        '<description>' '<authors>LlmEmbed contributors</authors>' ${commit:+"commit=\"$commit\""}; do
        grep -qF "$tag" "$nuspec" || fail "${nuspec##*/} has no $tag"
    done
done
echo "--- readme, icon, licence, tags, notes and commit are in each of $(find "$scratch/artifacts/obj" -name "*.$version.nuspec" | wc -l) packages"

# --- the same bytes twice ----------------------------------------------------------------------------------------------------------------------------

rm -rf "$scratch/artifacts/obj/LlmEmbed" "$scratch/artifacts/bin/LlmEmbed"
sleep 2 # so that a time of packing would show
quietly "packed the library again" pack "$repository/src/LlmEmbed/LlmEmbed.csproj" "$scratch/again"
for package in "$scratch/again"/*nupkg; do
    cmp "$package" "$feed/${package##*/}" || fail "${package##*/} has other bytes when it is packed again"
done
echo "--- the same bytes: $(basename -a "$scratch/again"/*nupkg | tr '\n' ' ')"

# --- programs outside of the repository --------------------------------------------------------------------------------------------------------------

export NUGET_PACKAGES=$scratch/packages # empty
# example NAME FENCE PAGE NAMESPACES PACKAGE...: the code behind a fence of a page as the program of an empty project, built and run. A page may be
# followed by more code on standard input.
example() {
    local name=$1 fence=$2 page=$3 namespaces=$4
    shift 4
    mkdir -p "$scratch/$name"
    { sed -n "/^\`\`\`$fence\$/,/^\`\`\`\$/{/^\`\`\`/d;p;}" "$page" && cat; } >"$scratch/$name/Program.cs"
    {
        echo '<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework>'
        echo '<ImplicitUsings>enable</ImplicitUsings><Nullable>enable</Nullable></PropertyGroup><ItemGroup>'
        printf "<PackageReference Include=\"%s\" Version=\"$version\" />\n" "$@"
        printf '<Using Include="%s" />\n' $namespaces
        echo '</ItemGroup></Project>'
    } >"$scratch/$name/$name.csproj"
    quietly "built '$name' with $*" dotnet build "$scratch/$name" -c Release -p:RestoreAdditionalProjectSources="$feed"
    (cd "$scratch/$name" && dotnet "bin/Release/net10.0/$name.dll") | tee "$scratch/said" || fail "'$name'"
}
says() { grep -qE "$1" "$scratch/said" || fail "expected $1"; }

example readme csharp "$repository/src/LlmEmbed/README.md" LlmEmbed LlmEmbed LlmEmbed.Models.all-MiniLM-L6-v2 </dev/null
says '^delivery \('
example generator csharp.dotnet.md:generator "$repository/docs/dotnet.md" 'LlmEmbed Microsoft.Extensions.AI' \
    LlmEmbed.Extensions.AI LlmEmbed.Models.all-MiniLM-L6-v2 <<<'Console.WriteLine($"{vector.Length} numbers");'
says '^384 numbers$'

# --- the tool ----------------------------------------------------------------------------------------------------------------------------------------

quietly "installed the tool" dotnet tool install LlmEmbed.Cli --version "$version" --tool-path "$scratch/tools" --add-source "$feed"
model=$scratch/readme/my-model
answer=$(LLMEMBED_MODELS=$repository/models "$scratch/tools/llmembed" predict "$model" "When will my package get here?" 2>&1) || fail "$answer"
echo "$answer"
grep -q ',delivery,' <<<"$answer" || fail "the tool predicts something else than the example"
[[ $("$scratch/tools/llmembed" --version) = "$version"* ]] || fail "the tool has another version"
echo "the packages of version $version work"
