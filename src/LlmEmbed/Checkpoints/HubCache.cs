using System.Text.RegularExpressions;
using LlmEmbed.Files;

namespace LlmEmbed.Checkpoints;

/// <summary>
/// The local cache of the Hugging Face Hub, as the Hub's Python library finds and fills it: <c>models--org--name/snapshots/commit</c> holds the files
/// of a repository, and <c>models--org--name/refs/branch</c> names a commit. Nothing is downloaded and nothing is written.
/// </summary>
internal static partial class HubCache
{
    private const string DefaultRevision = "main";

    /// <summary>The variables that name the cache or a folder above it, the strongest first, with what lies below that folder.</summary>
    private static readonly (string Variable, string[] Below)[] Variables =
    [
        ("HF_HUB_CACHE", []),
        ("HUGGINGFACE_HUB_CACHE", []),
        ("HF_HOME", ["hub"]),
        ("XDG_CACHE_HOME", ["huggingface", "hub"]),
    ];

    private static string Home => Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);

    /// <summary>Looks a repository up.</summary>
    /// <param name="name"><c>org/name</c> or, for the oldest models, <c>name</c>; behind it may stand <c>@</c> and a branch or a commit.</param>
    /// <exception cref="LlmEmbedException">The repository has several snapshots, and nothing says which one is meant.</exception>
    public static HubLookup Look(string name)
    {
        string[] parts = name.Split('@', 2);
        (string id, string revision) = (parts[0], parts.Length > 1 ? parts[1] : DefaultRevision);
        if (id.Count(character => character == '/') > 1 || !IsPlainPath(id) || !IsPlainPath(revision)) return new HubLookup(null, null);
        string cache = Folder();
        string repository = Path.Combine(cache, "models--" + id.Replace("/", "--", StringComparison.Ordinal));
        if (!Directory.Exists(repository)) return new HubLookup(null, cache);

        string snapshots = Path.Combine(repository, "snapshots");
        string reference = Path.Combine([repository, "refs", .. revision.Split('/')]);
        string commit = File.Exists(reference) ? FileProblem.WhenReading(reference, File.ReadAllText).Trim() : revision;
        if (!commit.Contains('/', StringComparison.Ordinal) && IsPlainPath(commit) && Path.Combine(snapshots, commit) is var snapshot
            && Directory.Exists(snapshot))
            return new HubLookup(snapshot, cache);
        if (File.Exists(reference))
            return new HubLookup(null, $"{cache} (refs/{revision} of {id} there names the commit '{commit}', which has no snapshot)");
        return parts.Length > 1
            ? new HubLookup(null, $"{cache} (it holds {id}, but neither a branch nor a commit '{revision}' of it)")
            : OnlySnapshot(cache, id, snapshots);
    }

    /// <summary>The snapshot of a repository whose main branch is not recorded, as files that were downloaded by their commit leave it.</summary>
    private static HubLookup OnlySnapshot(string cache, string id, string snapshots)
    {
        string[] all = Directory.Exists(snapshots) ? [.. Directory.GetDirectories(snapshots).Order(StringComparer.Ordinal)] : [];
        if (all.Length == 0) return new HubLookup(null, $"{cache} (it holds {id}, but no snapshot of it)");
        if (all.Length == 1) return new HubLookup(all[0], cache);
        string[] commits = [.. all.Select(path => Path.GetFileName(path))];
        throw FileProblem.In(
            snapshots,
            $"{id} has {all.Length} snapshots, and refs/{DefaultRevision} does not say which one is meant: {FileProblem.List(commits)}. " +
            $"Name one, for example {id}@{commits[0]}.");
    }

    private static string Folder()
    {
        foreach ((string variable, string[] below) in Variables)
        {
            if (Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value)
                return Path.GetFullPath(Path.Combine([Expand(value), .. below]));
        }
        return Path.Combine(Home, ".cache", "huggingface", "hub");
    }

    /// <summary>Python expands a leading ~ and variables such as $USER or ${USER}; a variable that is not set stays as it is written.</summary>
    private static string Expand(string path)
    {
        if (path == "~" || path.StartsWith("~/", StringComparison.Ordinal)) path = Home + path[1..];
        return Variable().Replace(path, match => Environment.GetEnvironmentVariable(match.Value.Trim('$', '{', '}')) ?? match.Value);
    }

    /// <summary>Whether the parts of a name between slashes are plain names, so that no path leads out of the cache.</summary>
    private static bool IsPlainPath(string name) => name.Split('/').All(
        part => part.AsSpan().Trim('.').Length > 0 && part.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_' or '.'));

    [GeneratedRegex(@"\$(\w+|\{\w+\})", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Variable();
}

/// <summary>What a look into the cache gave.</summary>
/// <param name="Snapshot">The folder with the files, or null.</param>
/// <param name="Place">Where was looked and what was missing there, for messages; null if the name is no repository's.</param>
internal readonly record struct HubLookup(string? Snapshot, string? Place);
