using System.Security.Cryptography;
using System.Text;
using LlmEmbed.Files;

namespace LlmEmbed.Hub;

/// <summary>
/// Content in a cache, named by its hash, and the links to it from snapshots. Several processes may write the same file: each writes one of its own
/// and renames it when its hash is right. No lock is relied on, because those of some network file systems lock nothing.
/// </summary>
/// <param name="repository">The folder of the repository.</param>
/// <param name="commit">The commit of the snapshot.</param>
/// <param name="link">Makes a link, given its path and where it leads; null if none may be made.</param>
internal sealed class HubBlobs(string repository, string commit, Action<string, string>? link)
{
    /// <summary>How long a file must not have grown before another process takes it for given up.</summary>
    public static readonly TimeSpan GivenUp = TimeSpan.FromMinutes(1);

    private const string Incomplete = ".incomplete", Ending = ".llmembed" + Incomplete;

    /// <summary>The same if a lock says that no other process fetches it. A lock may be wrong, but not for a file that grows.</summary>
    private static readonly TimeSpan GivenUpWhenAlone = TimeSpan.FromSeconds(2);

    private readonly string _folder = Path.Combine(repository, "blobs");
    private readonly Lazy<bool> _links = new(() => link is not null && CanLink(Path.Combine(repository, "blobs"), link));

    public string Snapshot { get; } = Path.Combine(repository, "snapshots", commit);

    /// <summary>Where a file of the snapshot is.</summary>
    public string PathOf(HubFile file) => Path.Combine([Snapshot, .. file.Parts]);

    /// <summary>Whether the snapshot has the file, or content that is there already gives it.</summary>
    public bool Has(HubFile file)
    {
        if (IsWhole(PathOf(file), file)) return true;
        string blob = Path.Combine(_folder, file.Hash);
        if (!IsWhole(blob, file) || !HasHash(blob, file)) return false;
        Place(blob, file, isKept: true);
        return true;
    }

    /// <summary>A file of this process alone, with the bytes that an earlier attempt left.</summary>
    /// <param name="file">What will be fetched.</param>
    /// <param name="isAlone">Whether a lock says that no other process fetches it.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    public async Task<string> BeginAsync(HubFile file, bool isAlone, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(_folder);
        string own = Path.Combine(_folder, $"{file.Hash}.{Guid.NewGuid().ToString("N")[..8]}{Ending}");
        foreach (FileInfo left in Unfinished(file, Ending).OrderByDescending(left => left.Length))
        {
            if (!await IsGivenUpAsync(left, isAlone, cancellationToken)) continue;
            if (!File.Exists(own)) TryCopy(left, own); // a process that only slept would write on into the file that it holds open
            left.Delete();
        }
        return own;
    }

    /// <summary>The bytes that other processes have fetched of a file.</summary>
    public long BytesElsewhere(HubFile file) =>
        Unfinished(file, Incomplete).Sum(left => left.Exists ? left.Length : 0);

    /// <summary>Lets the next attempt go on where this one ended, without waiting to see whether the file grows.</summary>
    public static void GiveUp(string own)
    {
        if (File.Exists(own)) File.SetLastWriteTimeUtc(own, DateTime.UtcNow - GivenUp - GivenUp);
    }

    /// <summary>Makes a download the file of the snapshot if its hash is right; removes it otherwise.</summary>
    public bool Finish(string own, HubFile file)
    {
        if (!IsWhole(own, file) || !HasHash(own, file))
        {
            File.Delete(own);
            return false;
        }
        if (!_links.Value)
        {
            Place(own, file, isKept: false);
            return true;
        }
        string blob = Path.Combine(_folder, file.Hash);
        File.Move(own, blob, overwrite: true);
        Place(blob, file, isKept: true);
        return true;
    }

    /// <summary>SHA-256 of a large file; of others the SHA-1 that git gives them.</summary>
    public static bool HasHash(string path, HubFile file) => HashOf(path, isLarge: file.Sha256 is not null) == file.Hash;

    /// <inheritdoc cref="HasHash"/>
    public static string HashOf(string path, bool isLarge)
    {
        using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        // Git names its objects by SHA-1: the Hub gives no other hash of a small file.
        using IncrementalHash hash = IncrementalHash.CreateHash(isLarge ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA1);
        if (!isLarge) hash.AppendData(Encoding.ASCII.GetBytes($"blob {stream.Length}\0"));
        return FileHash.Of(stream, hash);
    }

    private FileInfo[] Unfinished(HubFile file, string ending) =>
        Directory.Exists(_folder) ? new DirectoryInfo(_folder).GetFiles($"{file.Hash}.*{ending}") : [];

    private static async Task<bool> IsGivenUpAsync(FileInfo left, bool isAlone, CancellationToken cancellationToken)
    {
        if (DateTime.UtcNow - left.LastWriteTimeUtc >= GivenUp) return true;
        if (!isAlone) return false;
        long length = left.Length;
        await Task.Delay(GivenUpWhenAlone, cancellationToken);
        left.Refresh();
        return left.Exists && left.Length == length;
    }

    private static void TryCopy(FileInfo left, string own)
    {
        try
        {
            left.CopyTo(own);
            File.SetLastWriteTimeUtc(own, DateTime.UtcNow); // the copy is not given up
        }
        catch (IOException)
        {
            File.Delete(own); // it is fetched from the start
        }
    }

    private static bool IsWhole(string path, HubFile file) => File.Exists(path) && LengthOf(path) == file.Size;

    private static long LengthOf(string path)
    {
        using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        return stream.Length;
    }

    /// <summary>Gives content its name in the snapshot: by a link, or by a copy where there are none.</summary>
    private void Place(string content, HubFile file, bool isKept)
    {
        string path = PathOf(file), folder = Path.GetDirectoryName(path)!;
        string own = Path.Combine(folder, $".{Guid.NewGuid():N}{AtomicFile.TemporarySuffix}");
        Directory.CreateDirectory(folder);
        if (isKept && _links.Value) link!(own, Path.GetRelativePath(folder, content));
        else if (isKept) File.Copy(content, own);
        else own = content;
        File.Move(own, path, overwrite: true);
    }

    /// <summary>Tried once for each cache: some systems and file systems have no links.</summary>
    private static bool CanLink(string folder, Action<string, string> link)
    {
        Directory.CreateDirectory(folder);
        string trial = Path.Combine(folder, $".{Guid.NewGuid():N}{AtomicFile.TemporarySuffix}");
        try
        {
            link(trial, "nothing");
            File.Delete(trial);
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
