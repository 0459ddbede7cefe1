using System.Security.Cryptography;
using System.Text;
using LlmEmbed.Files;

namespace LlmEmbed.Hub;

/// <summary>
/// Content in a cache, named by its hash, and the links to it from snapshots. Several processes may write the same file: each writes one of its own
/// and renames it when its hash is right. No lock is relied on, because those of some network file systems lock nothing.
/// </summary>
internal sealed class HubBlobs(string repository, string commit, bool mayLink)
{
    private const string Ending = ".llmembed.incomplete";

    /// <summary>How long a file must not have grown before another process takes it for given up.</summary>
    private static readonly TimeSpan GivenUp = TimeSpan.FromMinutes(1);

    private readonly string _folder = Path.Combine(repository, "blobs");
    private readonly Lazy<bool> _links = new(() => mayLink && CanLink(Path.Combine(repository, "blobs")));

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
    public string Begin(HubFile file)
    {
        Directory.CreateDirectory(_folder);
        string own = Path.Combine(_folder, $"{file.Hash}.{Guid.NewGuid().ToString("N")[..8]}{Ending}");
        foreach (string left in Directory.GetFiles(_folder, $"{file.Hash}.*{Ending}"))
        {
            if (DateTime.UtcNow - File.GetLastWriteTimeUtc(left) < GivenUp) continue;
            try
            {
                string claimed = own + AtomicFile.TemporarySuffix;
                File.Move(left, claimed); // of several processes one wins
                File.Copy(claimed, own); // a process that only slept would write on into the file that it holds open
                File.Delete(claimed);
                break;
            }
            catch (IOException)
            {
                continue;
            }
        }
        return own;
    }

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
        byte[] block = new byte[1 << 20];
        for (int read; (read = stream.Read(block)) > 0;) hash.AppendData(block.AsSpan(0, read));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
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
        if (isKept && _links.Value) File.CreateSymbolicLink(own, Path.GetRelativePath(folder, content));
        else if (isKept) File.Copy(content, own);
        else own = content;
        File.Move(own, path, overwrite: true);
    }

    /// <summary>Tried once for each cache: some systems and file systems have no links.</summary>
    private static bool CanLink(string folder)
    {
        Directory.CreateDirectory(folder);
        string trial = Path.Combine(folder, $".{Guid.NewGuid():N}{AtomicFile.TemporarySuffix}");
        try
        {
            File.CreateSymbolicLink(trial, "nothing");
            File.Delete(trial);
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
