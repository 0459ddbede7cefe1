using System.Text.Json;
using System.Text.Json.Nodes;
using LlmEmbed.Files;

namespace LlmEmbed.Hub;

/// <summary>A file of a repository at one commit.</summary>
/// <param name="Path">Its path, with slashes.</param>
/// <param name="Size">Bytes.</param>
/// <param name="GitSha1">The hash of a git blob; of a large file, that of the pointer to it.</param>
/// <param name="Sha256">The hash of a large file; null for others.</param>
internal sealed record HubFile(string Path, long Size, string GitSha1, string? Sha256)
{
    /// <summary>The hash of the content, by which the Hub (as ETag) and the cache name it.</summary>
    public string Hash => Sha256 ?? GitSha1;

    /// <summary>The path on this system.</summary>
    public string[] Parts => Path.Split('/');
}

/// <summary>What a snapshot has of a model.</summary>
/// <param name="Snapshot">The folder of the snapshot.</param>
/// <param name="File">The GGUF file that is meant, by its path in the repository; null if the model is the whole folder.</param>
/// <param name="Path">Where the model is: the folder or the file; null if the file is missing.</param>
/// <param name="Missing">The files that are missing.</param>
internal sealed record HubModel(string Snapshot, string? File, string? Path, IReadOnlyList<string> Missing)
{
    /// <summary>The name by which exactly this is found for ever; null if its commit is not known.</summary>
    public string? PinnedName(HubName name) =>
        System.IO.Path.GetFileName(Snapshot) is var commit && HubName.IsCommitHash(commit) ? name.At(commit, File) : null;
}

/// <summary>The files of a repository at one commit: asked for once and kept beside the snapshot, because a commit never changes.</summary>
internal static class HubListing
{
    private const int FormatVersion = 1;
    private const string WeightsFile = "model.safetensors", IndexFile = WeightsFile + ".index.json";

    /// <summary>The files that a model may need beside its weights, as far as they have fixed names.</summary>
    public static readonly IReadOnlyList<string> SmallFiles =
    [
        "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
        "vocab.json", "merges.txt",
        "modules.json", "config_sentence_transformers.json", "sentence_bert_config.json", "sentence_roberta_config.json",
        "sentence_distilbert_config.json", "sentence_camembert_config.json", "sentence_albert_config.json", "sentence_xlm-roberta_config.json",
        "sentence_xlnet_config.json",
    ];

    /// <summary>The listing that is kept; null if there is none, or one that cannot be used.</summary>
    public static IReadOnlyList<HubFile>? Read(string path)
    {
        try
        {
            JsonElement listing = StrictJson.Parse(File.ReadAllBytes(path));
            if (listing.GetProperty("format_version").GetInt32() != FormatVersion) return null;
            HubFile[] files = [.. listing.GetProperty("files").EnumerateObject().Select(file => new HubFile(
                file.Name,
                Number(file.Value, "lfs_size") ?? file.Value.GetProperty("size").GetInt64(),
                file.Value.GetProperty("blob_id").GetString()!,
                Text(file.Value, "lfs_sha256")))];
            return Array.TrueForAll(files, IsSound) ? files : null;
        }
        catch (Exception exception) when (
            exception is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException
                or InvalidOperationException or FormatException)
        {
            return null; // it is asked for again
        }
    }

    /// <summary>The listing as the Hub's Python library keeps it.</summary>
    public static string ToJson(IEnumerable<HubFile> files) => new JsonObject
    {
        ["format_version"] = FormatVersion,
        ["files"] = new JsonObject(files.Select(file => KeyValuePair.Create<string, JsonNode?>(file.Path, file.Sha256 is null
            ? new JsonObject { ["size"] = file.Size, ["blob_id"] = file.GitSha1 }
            : new JsonObject { ["size"] = file.Size, ["blob_id"] = file.GitSha1, ["lfs_sha256"] = file.Sha256, ["lfs_size"] = file.Size }))),
    }.ToJsonString();

    /// <summary>One page of what the Hub lists.</summary>
    /// <exception cref="LlmEmbedException">A path would leave the snapshot, or a hash is none.</exception>
    public static IEnumerable<HubFile> Parse(HubName name, JsonElement page)
    {
        foreach (JsonElement entry in Items(name, page))
        {
            if (Text(entry, "type") != "file") continue;
            bool isLarge = entry.TryGetProperty("lfs", out JsonElement large) && large.ValueKind == JsonValueKind.Object;
            HubFile file = new(
                Text(entry, "path") ?? "",
                Number(isLarge ? large : entry, "size") ?? -1,
                Text(entry, "oid") ?? "",
                isLarge ? Text(large, "oid") ?? "" : null);
            if (!HubName.IsSafePath(file.Path))
                throw new LlmEmbedException(
                    $"{name.Id} lists a file '{InvisibleCharacters.Show(file.Path)}', whose path may lead out of the cache. It is refused.");
            if (!IsSound(file))
                throw new LlmEmbedException(
                    $"{name.Id} lists '{file.Path}' without its size and hash, " +
                    "expected 40 hex digits of a git blob or 64 of SHA-256.");
            yield return file;
        }
    }

    /// <summary>The files that a model needs beside its weights; a GGUF file holds all of that itself.</summary>
    public static IEnumerable<HubFile> Small(IReadOnlyList<HubFile> files) => files.Where(file =>
        SmallFiles.Contains(file.Path, StringComparer.Ordinal)
        || (file.Parts.Length == 1 && file.Path.EndsWith(".model", StringComparison.Ordinal))
        || (file.Parts is [var module, "config.json" or WeightsFile] && module.Contains('_', StringComparison.Ordinal)
            && char.IsAsciiDigit(module[0])));

    /// <summary>The index that has to be read before the weights are known; null if there is none or the weights are one file.</summary>
    public static HubFile? Index(IReadOnlyList<HubFile> files) =>
        files.Any(file => file.Path == WeightsFile) ? null : files.FirstOrDefault(file => file.Path == IndexFile);

    /// <summary>The files with the weights.</summary>
    /// <param name="name">The repository.</param>
    /// <param name="files">All its files.</param>
    /// <param name="read">Gives the path of a file on disk.</param>
    /// <exception cref="LlmEmbedException">There are no weights that can be loaded.</exception>
    public static IReadOnlyList<HubFile> Weights(HubName name, IReadOnlyList<HubFile> files, Func<HubFile, string> read)
    {
        if (IsGguf(name, files)) return [Find(HubGguf.Choose(name, files.Select(file => file.Path)))!];
        if (Find(WeightsFile) is { } whole) return [whole];
        if (Index(files) is { } index)
            return [.. ShardsOf(read(index)).Select(shard =>
                Find(shard) ?? throw new LlmEmbedException(
                    $"{name.Id}: {IndexFile} names {InvisibleCharacters.Show(shard)}, which the repository lacks."))];
        string others = files.Any(file => file.Path == "pytorch_model.bin")
            ? " It holds pytorch_model.bin, which can run code and is not read. A pull request of the repository often holds " +
              "safetensors: name it as " +
              $"{name.Id}@refs/pr/N, or let the Hub's convert space make one."
            : " Expected model.safetensors, its index and parts, or a .gguf file.";
        throw new LlmEmbedException($"{name.Id} at {name.Revision} has no weights that can be loaded.{others}");

        HubFile? Find(string path) => files.FirstOrDefault(file => file.Path == path);
    }

    /// <summary>Whether a name means a GGUF file: because it says so, or because the repository has no other weights.</summary>
    public static bool IsGguf(HubName name, IReadOnlyList<HubFile> files) =>
        name.IsOneFile || (!files.Any(file => file.Path is WeightsFile or IndexFile) && files.Any(file => HubGguf.Is(file.Path)));

    /// <summary>What a snapshot has of the model that a name means.</summary>
    /// <exception cref="LlmEmbedException">The name means none or several of the repository's GGUF files.</exception>
    public static HubModel ModelIn(HubName name, string snapshot) =>
        ModelIn(name, snapshot, Read(PathIn(Path.GetDirectoryName(Path.GetDirectoryName(snapshot))!, Path.GetFileName(snapshot))));

    /// <inheritdoc cref="ModelIn(HubName, string)"/>
    public static HubModel ModelIn(HubName name, string snapshot, IReadOnlyList<HubFile>? files)
    {
        if (!name.IsOneFile && (files is null || !IsGguf(name, files)))
            return new HubModel(snapshot, File: null, snapshot, MissingIn(snapshot, isListed: files is not null));
        // Without the listing only the files that are there can be meant.
        string[] paths = [.. files?.Select(file => file.Path) ?? FilesIn(snapshot)];
        if (files is null && !paths.Any(path => HubGguf.IsMeant(name, path)))
            return new HubModel(snapshot, name.File, Path: null, [name.File ?? $"a GGUF file of the quantization '{name.Label}'"]);
        string file = HubGguf.Choose(name, paths), place = Path.Combine([snapshot, .. file.Split('/')]);
        return File.Exists(place) ? new HubModel(snapshot, file, place, []) : new HubModel(snapshot, file, Path: null, [file]);
    }

    /// <summary>Where the listing of a commit is kept.</summary>
    public static string PathIn(string repository, string commit) => Path.Combine(repository, "trees", commit + ".json");

    /// <summary>The files without which there is no model, as far as the snapshot itself tells.</summary>
    private static string[] MissingIn(string snapshot, bool isListed)
    {
        if (!isListed && Directory.EnumerateFiles(snapshot, "*.gguf").Any(File.Exists)) return [];
        string index = Path.Combine(snapshot, IndexFile);
        string[] weights = File.Exists(Path.Combine(snapshot, WeightsFile)) || !File.Exists(index) ? [WeightsFile] : [.. ShardsOf(index)];
        return [.. weights.Prepend(SmallFiles[0]).Where(file => !File.Exists(Path.Combine(snapshot, file))).Distinct(StringComparer.Ordinal)];
    }

    private static IEnumerable<string> FilesIn(string snapshot) => Directory.EnumerateFiles(snapshot, "*", SearchOption.AllDirectories).Select(
        path => Path.GetRelativePath(snapshot, path).Replace(Path.DirectorySeparatorChar, '/'));

    private static IEnumerable<string> ShardsOf(string index)
    {
        JsonSection map = JsonSection.Open(index);
        JsonElement parsed = StrictJson.ParseWithRepeatedNames(FileProblem.ReadBytes(index));
        if (map.KindOf("weight_map") != JsonValueKind.Object) throw FileProblem.In(index, "the file has no 'weight_map'. Fetch the file again.");
        return [.. parsed.GetProperty("weight_map").EnumerateObject().Select(entry => entry.Value.ValueKind == JsonValueKind.String
            ? entry.Value.GetString()!
            : throw FileProblem.In(index, $"'{entry.Name}' of 'weight_map' is no name of a file.")).Distinct(StringComparer.Ordinal)];
    }

    private static IEnumerable<JsonElement> Items(HubName name, JsonElement page) => page.ValueKind == JsonValueKind.Array
        ? page.EnumerateArray().Where(entry => entry.ValueKind == JsonValueKind.Object)
        : throw new LlmEmbedException($"{name.Id}: the list of its files is no list. A proxy may have answered in place of the Hub.");

    private static bool IsSound(HubFile file) => HubName.IsSafePath(file.Path) && file.Size >= 0 && IsHash(file.GitSha1, 40)
        && (file.Sha256 is null || IsHash(file.Sha256, 64));

    private static bool IsHash(string text, int digits) => text.Length == digits && text.All(char.IsAsciiHexDigitLower);

    private static string? Text(JsonElement entry, string key) =>
        entry.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static long? Number(JsonElement entry, string key) =>
        entry.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number)
            ? number : null;
}
