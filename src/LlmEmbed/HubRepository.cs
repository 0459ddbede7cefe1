using LlmEmbed.Files;
using LlmEmbed.Hub;

namespace LlmEmbed;

/// <summary>A model repository of the Hugging Face Hub in the local cache, which is shared with the Hub's Python library.</summary>
public sealed class HubRepository
{
    private const string FolderPrefix = "models--", SnapshotsFolder = "snapshots", BlobsFolder = "blobs";

    private HubRepository(string folder) => Folder = folder;

    /// <summary><c>org/name</c>.</summary>
    public string Id => Path.GetFileName(Folder)[FolderPrefix.Length..].Replace("--", "/", StringComparison.Ordinal);

    /// <summary>Its folder in the cache.</summary>
    public string Folder { get; }

    /// <summary>The commits of which files are there.</summary>
    public IReadOnlyList<string> Commits =>
        [.. FoldersIn(Path.Combine(Folder, SnapshotsFolder)).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    /// <summary>What it takes on disk, in bytes.</summary>
    public long Bytes => Contents().Sum(file => new FileInfo(file).Length);

    /// <summary>Fetches what a model needs and the cache lacks. Every byte is checked against the hash that the Hub lists.</summary>
    /// <param name="name">
    /// <c>org/name</c>, behind it <c>@</c> and a branch, a tag or a commit if it is not the main branch. <c>org/name:Q8_0</c> or
    /// <c>org/name/file.gguf</c> is one GGUF file of the repository.
    /// </param>
    /// <param name="options">Where and how; null takes the defaults.</param>
    /// <param name="progress">Told the bytes that have arrived.</param>
    /// <param name="cancellationToken">Stops it; what has arrived is kept, and the next call goes on from there.</param>
    /// <returns>The folder with the files, or the GGUF file, to be opened as a backbone or read by other programs. It must not be changed.</returns>
    /// <exception cref="LlmEmbedException">The repository is not there, holds no weights that can be loaded, or cannot be fetched.</exception>
    public static async Task<string> DownloadAsync(
        string name, HubOptions? options = null, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(name);
        HubName parsed = HubName.Parse(name) ?? throw new LlmEmbedException(
            $"'{InvisibleCharacters.Show(name)}' is no name of a repository, expected org/name, org/name:Q8_0 or org/name/file.gguf, each with or " +
            "without @revision behind it.");
        HubEnvironment environment = EnvironmentOf(options ?? new HubOptions());
        return (await HubSnapshot.DownloadAsync(parsed, environment, progress, cancellationToken).ConfigureAwait(false)).Path!;
    }

    /// <summary>The model repositories in the cache, by name.</summary>
    /// <param name="cacheFolder">The folder of the cache; null takes the usual one.</param>
    public static IReadOnlyList<HubRepository> Cached(string? cacheFolder = null) =>
        [.. FoldersIn(cacheFolder ?? HubEnvironment.CacheFolder()).Where(
            path => Path.GetFileName(path).StartsWith(FolderPrefix, StringComparison.Ordinal))
            .Order(StringComparer.Ordinal).Select(path => new HubRepository(path))];

    /// <summary>Reads every file and compares its hash with the one that names it.</summary>
    /// <param name="progress">Told the bytes read.</param>
    /// <param name="cancellationToken">Stops between two files.</param>
    /// <returns>A sentence for each file that is damaged or missing; none if all is well.</returns>
    public IReadOnlyList<string> FindDamage(IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        List<string> damage = [];
        long total = Bytes, done = 0;
        foreach (string file in Contents())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (HashNaming(file) is string expected
                && FileProblem.WhenReading(file, path => HubBlobs.HashOf(path, expected.Length == 64)) is var found && found != expected)
                damage.Add($"{file}: the file has the hash {found[..12]}…, expected {expected[..12]}…. Remove the repository and download it again.");
            long bytes = new FileInfo(file).Length;
            done += bytes;
            if (bytes > 0) progress?.Report(new WorkProgress($"Checking {Id}", done, total, "bytes")); // so that the last report comes once
        }
        damage.AddRange(Links().Where(link => !File.Exists(link)).Select(
            link => $"{link}: the content to which this link leads is missing. Remove the repository and download it again."));
        return damage;
    }

    /// <summary>Removes the repository from the cache, with all its commits.</summary>
    /// <exception cref="LlmEmbedException">A file cannot be removed.</exception>
    public void Remove() => FileProblem.WhenReading(Folder, folder =>
    {
        Directory.Delete(folder, recursive: true);
        return true;
    });

    private static HubEnvironment EnvironmentOf(HubOptions options)
    {
        HubEnvironment environment = HubEnvironment.OfProcess();
        if (options.CacheFolder is string folder) environment = environment with { Cache = Path.GetFullPath(folder) };
        if (options.Token is string token) environment = environment with { Token = token, TokenSource = "the caller" };
        return options.Offline ? environment.Offline() : environment;
    }

    /// <summary>The hash that a file's name or the kept listing says it has; null where neither says one.</summary>
    private string? HashNaming(string file)
    {
        string name = Path.GetFileName(file), relative = Path.GetRelativePath(Folder, file).Replace(Path.DirectorySeparatorChar, '/');
        string[] parts = relative.Split('/', 3);
        if (parts[0] == BlobsFolder) return name.Length is 40 or 64 && name.All(char.IsAsciiHexDigitLower) ? name : null;
        if (parts[0] != SnapshotsFolder || parts.Length < 3) return null;
        return HubListing.Read(Path.Combine(Folder, "trees", parts[1] + ".json"))?.FirstOrDefault(listed => listed.Path == parts[2])?.Hash;
    }

    /// <summary>The files with content of their own.</summary>
    private IEnumerable<string> Contents() => AllFiles().Where(file => new FileInfo(file).LinkTarget is null);

    private IEnumerable<string> Links() => AllFiles().Where(file => new FileInfo(file).LinkTarget is not null);

    private string[] AllFiles() =>
        Directory.GetFiles(Folder, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.None });

    private static string[] FoldersIn(string path) => Directory.Exists(path) ? Directory.GetDirectories(path) : [];
}
