using System.Buffers.Binary;
using System.Text.Json;
using LlmEmbed.Files;

namespace LlmEmbed.Hub;

/// <summary>What is known of a model without its weights.</summary>
/// <param name="Commit">The commit.</param>
/// <param name="About">What the Hub says of it.</param>
/// <param name="Files">The files that would be downloaded; none if <paramref name="Problem"/> is given.</param>
/// <param name="HasOutline">Whether the outline was written.</param>
/// <param name="Problem">Why more is not known; null if nothing went wrong.</param>
internal sealed record HubOutline(string Commit, JsonElement About, IReadOnlyList<HubFile> Files, bool HasOutline, string? Problem);

/// <summary>
/// Downloads a repository's model into the cache: asks which commit is meant, lists its files, fetches those that a model needs and that are missing,
/// checks every byte against the listed hash, and records the commit.
/// </summary>
internal sealed class HubSnapshot
{
    private const int Together = 8, Attempts = 2;

    /// <summary>By its first line programs that make backups know a folder that can be made again.</summary>
    private const string CacheTag = "Signature: 8a477f597d28d172789f06886806bc55\n# What lies here can be downloaded again.\n";

    private readonly HubName _name;
    private readonly HubEnvironment _environment;
    private readonly HubClient _client;
    private readonly IProgress<WorkProgress>? _progress;
    private readonly CancellationToken _cancellationToken;

    private HubSnapshot(
        HubName name, HubEnvironment environment, HubClient client, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        (_name, _environment, _client, _progress, _cancellationToken) = (name, environment, client, progress, cancellationToken);
    }

    private string Repository => Path.Combine(_environment.Cache, _name.Folder);

    /// <summary>A whole model. Nothing is sent if nothing may be, or if a commit is named that is here.</summary>
    /// <exception cref="LlmEmbedException">It is not there and cannot be fetched.</exception>
    public static async Task<HubModel> DownloadAsync(
        HubName name, HubEnvironment environment, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        if (environment.WhyOffline is not null) return Offline(name, environment);
        if (name.IsCommit && HubCache.Look(name, environment.Cache).Snapshot is string kept
            && HubListing.ModelIn(name, kept) is { Missing.Count: 0 } model)
            return model;
        using HubClient client = new(
            environment, notice => progress?.Report(new WorkProgress($"Downloading {name.Id}", 0, 1, "bytes") { Notice = notice }));
        try
        {
            return await new HubSnapshot(name, environment, client, progress, cancellationToken).FetchAsync();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw FileProblem.In(
                environment.Cache,
                $"{name.Id} cannot be kept in the cache: {FileProblem.Describe(exception)} Name another with HF_HUB_CACHE.",
                exception);
        }
    }

    /// <summary>
    /// What is known of a model without its weights: what the Hub says of it, its files, and an outline that can be opened as a checkpoint. The cache
    /// is neither read nor written.
    /// </summary>
    /// <param name="name">The model.</param>
    /// <param name="environment">Where the Hub is.</param>
    /// <param name="folder">An empty folder, which gets the outline.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public static async Task<HubOutline> OutlineAsync(HubName name, HubEnvironment environment, string folder, CancellationToken cancellationToken)
    {
        using HubClient client = new(environment);
        HubSnapshot snapshot = new(name, environment with { Cache = folder }, client, progress: null, cancellationToken);
        JsonElement about = await snapshot.AboutAsync();
        string commit = snapshot.CommitOf(about);
        IReadOnlyList<HubFile> files = await snapshot.ListAsync(commit);
        try
        {
            return await snapshot.OutlineAsync(commit, about, files, folder);
        }
        catch (LlmEmbedException exception) when (!name.IsOneFile)
        {
            // Of a gated model only the files are kept back.
            return new HubOutline(commit, about, [], HasOutline: false, exception.Message);
        }
    }

    private async Task<HubOutline> OutlineAsync(string commit, JsonElement about, IReadOnlyList<HubFile> files, string folder)
    {
        string Place(HubFile file) => Path.Combine([folder, .. file.Parts]);
        bool isGguf = HubListing.IsGguf(_name, files);
        if (!isGguf && HubListing.Index(files) is { } index) await WriteAsync(index);
        IReadOnlyList<HubFile> weights = HubListing.Weights(_name, files, Place);
        if (isGguf) return new HubOutline(commit, about, weights, HasOutline: false, Problem: null);
        HubFile[] small = [.. HubListing.Small(files)];
        foreach (HubFile file in small.Where(IsSetting)) await WriteAsync(file);
        foreach (HubFile file in weights.Concat(small.Where(IsWeights)))
            await WriteHeaderAsync(QuestionFor(commit, file), file, Place(file));
        return new HubOutline(commit, about, [.. small, .. weights], HasOutline: true, Problem: null);

        static bool IsWeights(HubFile file) => file.Path.EndsWith(".safetensors", StringComparison.Ordinal);

        // Of the tokenizer only its settings are asked for, which may hold the longest input.
        static bool IsSetting(HubFile file) => file.Path.EndsWith(".json", StringComparison.Ordinal)
            && file.Path is not ("tokenizer.json" or "vocab.json" or "special_tokens_map.json" or "added_tokens.json");

        async Task WriteAsync(HubFile file)
        {
            const int Most = 64 << 20;
            byte[] bytes = await _client.BeginningAsync(QuestionFor(commit, file), (int)Math.Min(file.Size, Most), _cancellationToken);
            Directory.CreateDirectory(Path.GetDirectoryName(Place(file))!);
            await File.WriteAllBytesAsync(Place(file), bytes, _cancellationToken);
        }
    }

    /// <summary>A safetensors file with its header and, in place of the weights, bytes that take no room on disk.</summary>
    private async Task WriteHeaderAsync(HubQuestion question, HubFile file, string path)
    {
        const int Usual = 1 << 18, Most = 64 << 20, Prefix = sizeof(long);
        byte[] header = await _client.BeginningAsync(question, (int)Math.Min(file.Size, Usual), _cancellationToken);
        long bytes = header.Length < Prefix ? 0 : Prefix + BinaryPrimitives.ReadInt64LittleEndian(header);
        if (bytes > header.Length && bytes <= Math.Min(file.Size, Most))
            header = await _client.BeginningAsync(question, (int)bytes, _cancellationToken);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        await using FileStream outline = new(path, FileMode.CreateNew);
        await outline.WriteAsync(header, _cancellationToken);
        outline.SetLength(file.Size);
    }

    private static HubModel Offline(HubName name, HubEnvironment environment)
    {
        HubLookup found = HubCache.Look(name, environment.Cache);
        HubModel? model = found.Snapshot is null ? null : HubListing.ModelIn(name, found.Snapshot);
        if (model is { Missing.Count: 0 }) return model;
        string problem = model is null ? $"it is not in the cache {found.Place}" : $"{model.Snapshot} lacks {FileProblem.List(model.Missing)}";
        throw new LlmEmbedException($"{name.Id} cannot be used: {problem}, and nothing is downloaded because {environment.WhyOffline}.");
    }

    private async Task<HubModel> FetchAsync()
    {
        string commit = _name.IsCommit ? _name.Revision : await CommitAsync();
        IReadOnlyList<HubFile> files = await ListAsync(commit);
        HubBlobs blobs = new(Repository, commit, _environment.Link);
        bool isGguf = HubListing.IsGguf(_name, files);
        if (!isGguf && HubListing.Index(files) is { } index) await FetchAsync(commit, blobs, [index]);
        IReadOnlyList<HubFile> weights = HubListing.Weights(_name, files, blobs.PathOf);
        await FetchAsync(commit, blobs, isGguf ? weights : [.. HubListing.Small(files), .. weights]);
        if (!isGguf) KeepAbsent(commit, files);
        if (!_name.IsCommit) KeepText(HubCache.Reference(Repository, _name.Revision), commit);
        return HubListing.ModelIn(_name, blobs.Snapshot, files);
    }

    private async Task<string> CommitAsync() => CommitOf(await AboutAsync());

    /// <summary>What the Hub says of the repository at the revision.</summary>
    private async Task<JsonElement> AboutAsync()
    {
        Uri address = _client.Address($"api/models/{_name.Id}/revision/{_name.EscapedRevision}");
        return (await _client.JsonAsync(new HubQuestion(_name, "the revision", address), _cancellationToken)).Value;
    }

    private string CommitOf(JsonElement about) =>
        about.ValueKind == JsonValueKind.Object && about.TryGetProperty("sha", out JsonElement sha) && sha.ValueKind == JsonValueKind.String
            && HubName.IsCommitHash(sha.GetString()!)
                ? sha.GetString()!
                : throw new LlmEmbedException(
                    $"{_name.Id}: {new Uri(_environment.Endpoint).Authority} names no commit of '{_name.Revision}', " +
                    "expected 40 hex digits as 'sha'.");

    private async Task<IReadOnlyList<HubFile>> ListAsync(string commit)
    {
        string kept = HubListing.PathIn(Repository, commit);
        if (HubListing.Read(kept) is { } known) return known;
        List<HubFile> files = [];
        Uri? next = _client.Address($"api/models/{_name.Id}/tree/{commit}?recursive=true&expand=false");
        for (int pages = 0; next is not null; pages++)
        {
            const int Most = 1000;
            if (pages == Most) throw new LlmEmbedException($"{_name.Id}: the list of its files has over {Most:N0} pages.");
            (JsonElement page, next) = await _client.JsonAsync(new HubQuestion(_name, "the list of files", next), _cancellationToken);
            files.AddRange(HubListing.Parse(_name, page));
        }
        TryKeepText(kept, HubListing.ToJson(files));
        return files;
    }

    private async Task FetchAsync(string commit, HubBlobs blobs, IReadOnlyList<HubFile> wanted)
    {
        HubFile[] missing = [.. wanted.Where(file => !blobs.Has(file))];
        if (missing.Length == 0) return;
        RequireSpace(missing.Sum(file => file.Size));
        DownloadProgress progress = new(_progress, $"Downloading {_name.Id}", missing);
        ParallelOptions options = new() { MaxDegreeOfParallelism = Together, CancellationToken = _cancellationToken };
        await Parallel.ForEachAsync(missing, options, async (file, token) => await FetchAsync(commit, blobs, file, progress, token));
    }

    private async Task FetchAsync(string commit, HubBlobs blobs, HubFile file, DownloadProgress progress, CancellationToken cancellationToken)
    {
        HubQuestion question = QuestionFor(commit, file);
        long Elsewhere()
        {
            long bytes = blobs.BytesElsewhere(file);
            progress.Set(file, bytes, isDone: false);
            return bytes;
        }

        string path = Path.Combine(_environment.Cache, ".locks", _name.Folder, file.Hash + ".lock");
        using HubLock alone = await HubLock.TakeAsync(path, Elsewhere, cancellationToken);
        if (blobs.Has(file)) // another process has fetched it meanwhile
        {
            progress.Set(file, file.Size, isDone: true);
            return;
        }
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            string own = await blobs.BeginAsync(file, alone.IsAlone, cancellationToken);
            try
            {
                await _client.DownloadAsync(question, own, file.Size, bytes => progress.Set(file, bytes, isDone: false), cancellationToken);
            }
            catch
            {
                HubBlobs.GiveUp(own);
                throw;
            }
            if (!blobs.Finish(own, file)) continue;
            progress.Set(file, file.Size, isDone: true);
            return;
        }
        throw new LlmEmbedException(
            $"{_name.Id}: {file.Path} came {Attempts} times with other bytes than the Hub lists ({file.Size:N0} bytes, " +
            $"{(file.Sha256 is null ? "git SHA-1" : "SHA-256")} {file.Hash[..12]}…). Nothing of it was kept. A proxy may change what it hands on.");
    }

    private HubQuestion QuestionFor(string commit, HubFile file)
    {
        string escaped = string.Join('/', file.Parts.Select(Uri.EscapeDataString));
        return new HubQuestion(_name, file.Path, _client.Address($"{_name.Id}/resolve/{commit}/{escaped}"), IsContent: true);
    }

    private void RequireSpace(long bytes)
    {
        Directory.CreateDirectory(Repository);
        TryKeepText(Path.Combine(_environment.Cache, "CACHEDIR.TAG"), CacheTag, mayDiffer: true);
        long free = new DriveInfo(Path.GetFullPath(Repository)).AvailableFreeSpace;
        if (free < bytes)
            throw FileProblem.In(
                _environment.Cache, $"{_name.Id} needs {bytes / 1e6:N0} MB, but {free / 1e6:N0} MB are free. Name another folder with HF_HUB_CACHE.");
    }

    /// <summary>Notes which files do not exist at a commit, so that Python need not ask for them.</summary>
    private void KeepAbsent(string commit, IReadOnlyList<HubFile> files)
    {
        foreach (string path in HubListing.SmallFiles.Except(files.Select(file => file.Path), StringComparer.Ordinal))
            TryKeepText(Path.Combine(Repository, ".no_exist", commit, path), "");
    }

    /// <summary>As <see cref="KeepText"/>, for what only saves a question: a cache that cannot be written may be complete.</summary>
    private static void TryKeepText(string path, string text, bool mayDiffer = false)
    {
        try
        {
            if (!mayDiffer || !File.Exists(path)) KeepText(path, text);
        }
        catch (Exception exception) when (exception is LlmEmbedException or IOException or UnauthorizedAccessException)
        {
            // It is asked for again.
        }
    }

    /// <summary>Writes a small file of the cache, unless it says so already: a cache that cannot be written may be complete.</summary>
    private static void KeepText(string path, string text)
    {
        if (File.Exists(path) && FileProblem.WhenReading(path, File.ReadAllText) == text) return;
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        AtomicFile.WriteText(path, text);
    }

    /// <summary>The bytes of all files that are fetched together.</summary>
    private sealed class DownloadProgress(IProgress<WorkProgress>? target, string stage, IReadOnlyList<HubFile> files)
    {
        private readonly Dictionary<string, long> _arrived = files.ToDictionary(file => file.Path, _ => 0L, StringComparer.Ordinal);
        private readonly long _total = files.Sum(file => file.Size);
        private readonly Lock _lock = new();
        private int _left = files.Count;
        private long _sum;

        public void Set(HubFile file, long bytes, bool isDone)
        {
            lock (_lock)
            {
                _sum += Math.Min(bytes, file.Size) - _arrived[file.Path];
                _arrived[file.Path] = Math.Min(bytes, file.Size);
                if (isDone) _left--;
                // The last report comes once, when the hash of the last file is right.
                if (_sum < _total || _left == 0) target?.Report(new WorkProgress(stage, _sum, _total, "bytes"));
            }
        }
    }
}
