using LlmEmbed.Files;

namespace LlmEmbed.Hub;

/// <summary>
/// The local cache of the Hugging Face Hub, as the Hub's Python library finds and fills it: <c>models--org--name/snapshots/commit</c> holds the files
/// of a repository, and <c>models--org--name/refs/branch</c> names a commit. Nothing is downloaded and nothing is written here.
/// </summary>
internal static class HubCache
{
    /// <summary>Looks a repository up.</summary>
    /// <param name="name">The repository and its revision.</param>
    /// <param name="cache">The folder of the cache.</param>
    /// <exception cref="LlmEmbedException">The repository has several snapshots, and nothing says which one is meant.</exception>
    public static HubLookup Look(HubName name, string cache)
    {
        string repository = Path.Combine(cache, name.Folder);
        if (!Directory.Exists(repository)) return new HubLookup(null, cache);

        string snapshots = Path.Combine(repository, "snapshots"), reference = Reference(repository, name.Revision);
        string commit = File.Exists(reference) ? FileProblem.WhenReading(reference, File.ReadAllText).Trim() : name.Revision;
        if (!commit.Contains('/', StringComparison.Ordinal) && HubName.IsSafePath(commit) && Path.Combine(snapshots, commit) is var snapshot
            && Directory.Exists(snapshot))
            return new HubLookup(snapshot, cache);
        if (File.Exists(reference))
            return new HubLookup(null, $"{cache} (refs/{name.Revision} of {name.Id} there names the commit '{commit}', which has no snapshot)");
        return name.IsRevisionGiven
            ? new HubLookup(null, $"{cache} (it holds {name.Id}, but neither a branch nor a commit '{name.Revision}' of it)")
            : OnlySnapshot(cache, name.Id, snapshots);
    }

    /// <summary>The file that holds the commit of a revision.</summary>
    public static string Reference(string repository, string revision) => Path.Combine([repository, "refs", .. revision.Split('/')]);

    /// <summary>The snapshot of a repository whose main branch is not recorded, as files that were downloaded by their commit leave it.</summary>
    private static HubLookup OnlySnapshot(string cache, string id, string snapshots)
    {
        string[] all = Directory.Exists(snapshots) ? [.. Directory.GetDirectories(snapshots).Order(StringComparer.Ordinal)] : [];
        if (all.Length == 0) return new HubLookup(null, $"{cache} (it holds {id}, but no snapshot of it)");
        if (all.Length == 1) return new HubLookup(all[0], cache);
        string[] commits = [.. all.Select(path => Path.GetFileName(path))];
        throw FileProblem.In(
            snapshots,
            $"{id} has {all.Length} snapshots, and refs/{HubName.DefaultRevision} does not say which one is meant: {FileProblem.List(commits)}. " +
            $"Name one, for example {id}@{commits[0]}.");
    }
}

/// <summary>What a look into the cache gave.</summary>
/// <param name="Snapshot">The folder with the files, or null.</param>
/// <param name="Place">Where was looked and what was missing there, for messages; null if the name is no repository's.</param>
internal readonly record struct HubLookup(string? Snapshot, string? Place);
