using LlmEmbed.Jobs;

namespace LlmEmbed.Benchmarks;

/// <summary>A job whose texts cost hardly anything, so that what is left is what jobs cost.</summary>
internal sealed class TinyJob
{
    /// <summary>Characters after which a unit ends, so that a text of this length is a unit.</summary>
    private const int CharactersOfUnit = 120_000;

    /// <param name="shared">Everything is written there.</param>
    /// <param name="shards">Shards.</param>
    /// <param name="units">Units of all shards together.</param>
    public TinyJob(DirectoryInfo shared, int shards, int units)
    {
        string model = Path.Combine(shared.FullName, "model"), texts = Path.Combine(shared.FullName, "texts.txt");
        Directory.CreateDirectory(model);
        foreach (string file in Directory.GetFiles(Path.Combine(Bench.Root(), "tests", "LlmEmbed.Tests", "Fixtures", "bert")))
            File.Copy(file, Path.Combine(model, Path.GetFileName(file)));
        // A word that is too long for every vocabulary is one token.
        File.WriteAllLines(texts, Enumerable.Range(0, units).Select(unit => $"{unit} {new string('a', CharactersOfUnit)}"));
        JobOptions options = new() { Inputs = [texts], Task = new JobTask.Embed(model), Shards = shards };
        Job = Job.Plan(options, Path.Combine(shared.FullName, "job"));
    }

    public Job Job { get; }

    public string Plan => Path.Combine(Job.Folder, "plan.json");
}
