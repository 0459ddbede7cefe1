using LlmEmbed.Files;

namespace LlmEmbed.Jobs;

/// <summary>Where the files of a job lie.</summary>
internal sealed class JobFolder(string path)
{
    private const string ShardsName = "shards";

    /// <summary>The folder, as the user named it.</summary>
    public string Path { get; } = path;

    public string Plan => Of("plan.json");

    public string Shards => Of(ShardsName);

    /// <summary>The data of a shard.</summary>
    public string Data(int shard, string extension) => OfShard(shard, extension);

    /// <summary>The rows that could not be used.</summary>
    public string Rejected(int shard) => OfShard(shard, ".rejected.jsonl");

    /// <summary>The record that a shard is complete. It is written last.</summary>
    public string Done(int shard) => OfShard(shard, ".done.json");

    /// <summary>The record of the last attempt that failed.</summary>
    public string Failed(int shard) => OfShard(shard, ".failed.json");

    /// <summary>The claim of a process that computes a shard.</summary>
    public string Running(int shard) => OfShard(shard, ".running.json");

    /// <summary>The folder of the finished units of a shard that is not complete.</summary>
    public string Units(int shard) => OfShard(shard, ".units");

    /// <summary>A file of a unit.</summary>
    public string Unit(int shard, long unit, string extension) => System.IO.Path.Combine(Units(shard), $"{unit:D9}{extension}");

    /// <summary>The path that a plan names relative to this folder.</summary>
    public string Resolve(string relative) =>
        System.IO.Path.GetRelativePath(Environment.CurrentDirectory, System.IO.Path.GetFullPath(relative, System.IO.Path.GetFullPath(Path)));

    /// <summary>A path as the plan names it: relative to this folder, so that both can be moved together.</summary>
    public string Relative(string other) => System.IO.Path.GetRelativePath(System.IO.Path.GetFullPath(Path), System.IO.Path.GetFullPath(other));

    /// <summary>The shards of which there is a file of a kind.</summary>
    /// <param name="suffix">How the names of the kind end, such as <c>.done.json</c>.</param>
    public IReadOnlySet<int> With(string suffix)
    {
        if (!Directory.Exists(Shards)) return new HashSet<int>();
        string[] paths = FileProblem.WhenReading(Shards, folder => Directory.GetFileSystemEntries(folder, "*" + suffix));
        int NumberOf(string path) => int.TryParse(System.IO.Path.GetFileName(path.AsSpan())[..^suffix.Length], out int shard) ? shard : -1;
        return paths.Select(NumberOf).Where(shard => shard >= 0).ToHashSet();
    }

    private string Of(string name) => System.IO.Path.Combine(Path, name);

    private string OfShard(int shard, string suffix) => System.IO.Path.Combine(Shards, $"{shard:D6}{suffix}");
}
