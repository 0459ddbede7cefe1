using System.Globalization;
using System.Numerics.Tensors;
using LlmEmbed.Files;

namespace LlmEmbed.Reading;

/// <summary>
/// The embeddings of one encoder on disk: <c>CACHE/FINGERPRINT/</c> with <c>encoder.json</c> and shards that are only ever added, each written whole.
/// So a job that was killed resumes after its last shard, and any number of processes may write to one store: every shard has a name of its own, and
/// what one process adds the others see when they open the store again. A shard is verified when it is first needed; a damaged one is set aside and
/// its texts are missing from then on, to be computed again. Safe for concurrent use.
/// </summary>
internal sealed class EmbeddingStore : IDisposable
{
    private const string FingerprintFile = "encoder.json";
    private const string ShardSuffix = ".safetensors";
    private const string DamagedSuffix = ".damaged";
    private const int FolderNameLength = 16;

    /// <summary>On shared file systems without locks the age of a temporary file is all that tells a killed writer from a living one.</summary>
    private static readonly TimeSpan LeftoverAge = TimeSpan.FromHours(1);

    private readonly Lock _lock = new();
    private readonly int _viewCount;
    private readonly int _hiddenSize;
    private readonly Dictionary<TextKey, (int Shard, int Row)> _index = [];
    private readonly List<EmbeddingShard?> _shards = [];
    private readonly List<string> _warnings = [];
    private int _nextNumber;

    private EmbeddingStore(string folder, int viewCount, int hiddenSize)
    {
        (Folder, _viewCount, _hiddenSize) = (folder, viewCount, hiddenSize);
        foreach (string path in ShardPaths(folder)) OpenShard(path);
    }

    public string Folder { get; }

    /// <summary>Texts that are stored.</summary>
    public int Count
    {
        get
        {
            lock (_lock) return _index.Count;
        }
    }

    /// <summary>What was found damaged and set aside so far, each as one sentence for people.</summary>
    public IReadOnlyList<string> Warnings
    {
        get
        {
            lock (_lock) return [.. _warnings];
        }
    }

    /// <param name="cacheFolder">The folder that holds a folder per encoder; created where it is missing.</param>
    /// <param name="fingerprint">What the encoder is.</param>
    /// <param name="viewCount">D: the pooled states kept of each text.</param>
    /// <param name="hiddenSize">H.</param>
    public static EmbeddingStore Open(string cacheFolder, EncoderFingerprint fingerprint, int viewCount, int hiddenSize)
    {
        string folder = Path.Combine(cacheFolder, fingerprint.Sha256[..FolderNameLength]);
        try
        {
            Directory.CreateDirectory(folder);
            RequireFingerprint(folder, fingerprint);
            RemoveLeftovers(folder);
            return new EmbeddingStore(folder, viewCount, hiddenSize);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new LlmEmbedException($"{folder}: the folder for embeddings cannot be used: {FileProblem.Describe(exception)}", exception)
            { FilePath = folder };
        }
    }

    /// <summary>
    /// Adds texts to a store without reading what is there, so that memory and time do not grow with the store. Of a text that is there already the
    /// embedding with the smaller number counts.
    /// </summary>
    /// <param name="cacheFolder">As of <see cref="Open"/>.</param>
    /// <param name="fingerprint">What the encoder is.</param>
    /// <param name="number">The place of these texts in the order in which shards are read.</param>
    /// <param name="keys">The texts, n of them.</param>
    /// <param name="embeddings">[n,D,H].</param>
    /// <param name="shape">D and H.</param>
    /// <returns>The bytes that were written.</returns>
    public static long Add(
        string cacheFolder,
        EncoderFingerprint fingerprint,
        long number,
        ReadOnlySpan<TextKey> keys,
        ReadOnlySpan<float> embeddings,
        (int Views, int Size) shape)
    {
        if (keys.IsEmpty) return 0;
        string folder = Path.Combine(cacheFolder, fingerprint.Sha256[..FolderNameLength]);
        FileProblem.WhenWriting(folder, Directory.CreateDirectory);
        RequireFingerprint(folder, fingerprint);
        RequireFinite(folder, embeddings);
        string path = Path.Combine(folder, NameOf(number));
        EmbeddingShard.Write(path, keys, embeddings, shape.Views, shape.Size);
        return new FileInfo(path).Length;
    }

    /// <summary>Whether a folder holds the embeddings of an encoder.</summary>
    public static bool IsStore(string folder) => File.Exists(Path.Combine(folder, FingerprintFile));

    /// <summary>Describes a store without changing it; every byte is read.</summary>
    public static StoreInfo Inspect(string folder)
    {
        string fingerprintPath = Path.Combine(folder, FingerprintFile);
        if (!File.Exists(fingerprintPath))
            throw new LlmEmbedException($"{folder}: there is no {FingerprintFile}, this is no folder of embeddings.") { FilePath = folder };
        StoreInfo info = new(
            File.ReadAllText(fingerprintPath), 0, 0, 0, [.. Directory.EnumerateFiles(folder, "*" + DamagedSuffix).Order(StringComparer.Ordinal)]);
        foreach (string path in ShardPaths(folder))
        {
            try
            {
                using EmbeddingShard shard = EmbeddingShard.Open(path);
                shard.Verify();
                info = info with
                {
                    Texts = info.Texts + shard.Count,
                    Shards = info.Shards + 1,
                    FileBytes = info.FileBytes + new FileInfo(path).Length,
                };
            }
            catch (LlmEmbedException)
            {
                info = info with { Damaged = [.. info.Damaged, path] };
            }
        }
        return info;
    }

    /// <summary>Whether <see cref="TryRead"/> will find the text: its shard is verified for that.</summary>
    public bool Contains(TextKey key)
    {
        lock (_lock) return Find(key) is not null;
    }

    /// <param name="key">The text.</param>
    /// <param name="destination">[D,H].</param>
    public bool TryRead(TextKey key, Span<float> destination)
    {
        lock (_lock)
        {
            if (Find(key) is not { } location) return false;
            _shards[location.Shard]!.Read(location.Row, destination);
            return true;
        }
    }

    /// <summary>Writes one shard. A text that is stored already keeps its first embedding.</summary>
    /// <param name="keys">The texts, n of them.</param>
    /// <param name="embeddings">[n,D,H].</param>
    public void Append(ReadOnlySpan<TextKey> keys, ReadOnlySpan<float> embeddings)
    {
        if (embeddings.Length != (long)keys.Length * _viewCount * _hiddenSize)
            throw new ArgumentException("There must be one embedding [D,H] per key.", nameof(embeddings));
        if (keys.IsEmpty) return;
        RequireFinite(Folder, embeddings);
        string path = Path.Combine(Folder, NextName());
        try
        {
            EmbeddingShard.Write(path, keys, embeddings, _viewCount, _hiddenSize);
        }
        catch (LlmEmbedException exception) when (exception.InnerException is { } cause)
        {
            throw new LlmEmbedException(
                $"{Folder}: {keys.Length} embeddings cannot be stored: {FileProblem.Describe(cause)} What was stored before is kept ({Count} " +
                "texts), and the same command resumes after it.",
                cause)
            { FilePath = Folder };
        }
        lock (_lock) OpenShard(path);
    }

    public void Dispose()
    {
        lock (_lock)
            foreach (EmbeddingShard? shard in _shards) shard?.Dispose();
    }

    private static IEnumerable<string> ShardPaths(string folder) => Directory.EnumerateFiles(folder, "*" + ShardSuffix).Order(StringComparer.Ordinal);

    /// <summary>The folder's name is a part of the hash only, and anyone can put a folder there.</summary>
    private static void RequireFingerprint(string folder, EncoderFingerprint fingerprint)
    {
        string path = Path.Combine(folder, FingerprintFile);
        if (!File.Exists(path)) AtomicFile.WriteText(path, fingerprint.ToJson());
        if (File.ReadAllText(path) == fingerprint.ToJson()) return;
        throw new LlmEmbedException(
            $"{path}: the file describes another encoder than the one in use, though the folder has its name. Remove the folder to have its " +
            "embeddings computed again.")
        { FilePath = path };
    }

    /// <summary>Removes what killed writers left. A living writer holds a lock on its file and touches it all the time.</summary>
    private static void RemoveLeftovers(string folder)
    {
        foreach (string path in Directory.EnumerateFiles(folder, "*" + AtomicFile.TemporarySuffix))
        {
            if (DateTime.UtcNow - File.GetLastWriteTimeUtc(path) < LeftoverAge) continue;
            try
            {
                using FileStream exclusive = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // It is in use, or another process was faster: either way nothing has to be done.
            }
        }
    }

    private static void RequireFinite(string folder, ReadOnlySpan<float> embeddings)
    {
        if (!TensorPrimitives.IsFiniteAll(embeddings))
            throw new LlmEmbedException(
                $"{folder}: an embedding to be stored holds NaN or infinity. The encoder's precision does not suffice for this model.");
    }

    private string NextName()
    {
        lock (_lock) return NameOf(_nextNumber++);
    }

    /// <summary>
    /// A number, for people and for the order of reading, and 64 random bits: no two processes ever take the same name, on any file system.
    /// </summary>
    private static string NameOf(long number) => $"{number:D8}-{Guid.NewGuid().ToString("N")[..16]}{ShardSuffix}";

    private void OpenShard(string path)
    {
        try
        {
            EmbeddingShard shard = EmbeddingShard.Open(path, _viewCount, _hiddenSize);
            for (int row = 0; row < shard.Count; row++) _index.TryAdd(shard.Key(row), (_shards.Count, row));
            _shards.Add(shard);
        }
        catch (LlmEmbedException exception) when (exception.InnerException is not (IOException or UnauthorizedAccessException))
        {
            SetAside(path, exception);
        }
        string numberPart = Path.GetFileName(path).Split('-')[0];
        if (int.TryParse(numberPart, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= _nextNumber)
            _nextNumber = number + 1;
    }

    private (int Shard, int Row)? Find(TextKey key)
    {
        if (!_index.TryGetValue(key, out (int Shard, int Row) location)) return null;
        EmbeddingShard shard = _shards[location.Shard]!;
        try
        {
            shard.Verify();
            return location;
        }
        catch (LlmEmbedException exception)
        {
            foreach (TextKey lost in _index.Where(entry => entry.Value.Shard == location.Shard).Select(entry => entry.Key).ToList())
                _index.Remove(lost);
            _shards[location.Shard] = null;
            shard.Dispose();
            SetAside(shard.Path, exception);
            return null;
        }
    }

    /// <summary>Renames a damaged shard, so that nobody stumbles over it again and nothing is deleted that someone may want to look at.</summary>
    private void SetAside(string path, LlmEmbedException damage)
    {
        string outcome = $"It was renamed to {Path.GetFileName(path)}{DamagedSuffix}";
        try
        {
            File.Move(path, path + DamagedSuffix, overwrite: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            outcome = $"It could not be renamed ({FileProblem.Describe(exception).TrimEnd('.')}) and is ignored";
        }
        _warnings.Add($"{damage.Message} {outcome}, and its texts will be computed again.");
    }
}
