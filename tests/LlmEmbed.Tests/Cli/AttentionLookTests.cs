using System.Text.Json.Nodes;
using LlmEmbed.Data;
using Xunit;

namespace LlmEmbed.Tests.Cli;

public sealed class AttentionLookTests : IDisposable
{
    private static readonly string[] Good = ["superb", "lovely"], Bad = ["dreadful", "boring"];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>One word of each text decides its class; the others are the same for both.</summary>
    [Fact]
    public void The_words_that_decide_are_named_by_training_inspection_and_both_pages()
    {
        string model = _folder.File("model"), page = _folder.File("page.html"), data = _folder.Write("train.csv", Csv(80));
        JsonNode training = Tool.Run(
            "train", "--data", data, "--output", model, "--backbone", Path.Combine(Repository.Models, "all-minilm-l6-v2"), "--report", page,
            "--cache", "none", "--json").Succeeded().Json;
        JsonNode inspected = Tool.Run("inspect", model, "--json").Succeeded().Json;
        JsonArray attention = inspected["attention"]!.AsArray();
        string[] words = [.. attention[0]!["words"]!.AsArray().Take(4).Select(word => (string)word!["word"]!)];
        Assert.Equal([.. Good, .. Bad], words.ToHashSet());
        Assert.All(attention[0]!["words"]!.AsArray().Take(4), word => Assert.InRange((double)word!["weight"]!, 1.5, 30));

        IEnumerable<string> views = inspected["backbones"]![0]!["views"]!.AsArray().Select(view => (string)view!);
        string[] depths = [.. views.Where(view => view.EndsWith(":attention", StringComparison.Ordinal))];
        Assert.Equal(depths, attention.Select(summary => $"{summary!["depth"]}:attention").Order(StringComparer.Ordinal));
        Assert.Contains(words[0], Tool.Run("inspect", model).Succeeded().Output, StringComparison.Ordinal);
        Assert.Contains(words[0], training.ToJsonString(), StringComparison.Ordinal);

        // Texts are shown beside the training and never saved with the classifier.
        string own = File.ReadAllText(page), saved = File.ReadAllText(Path.Combine(model, "report.html"));
        Assert.Matches($"{words[0]} \\d", own);
        Assert.Matches($"{words[0]} \\d", saved);
        Assert.Contains("table", own, StringComparison.Ordinal);
        Assert.DoesNotContain("river", saved, StringComparison.Ordinal);
        Assert.Contains("times the attention of an average token\">river</span>", own, StringComparison.Ordinal);
    }

    private static string Csv(int count)
    {
        string[] words = ["table", "river", "seven", "green", "paper", "under", "walks", "music", "house", "early"];
        DeterministicRandom random = new(7);
        return "text,label\n" + string.Concat(Enumerable.Range(0, count).Select(i =>
        {
            string[] text = [.. Enumerable.Range(0, 12).Select(_ => words[random.Next(words.Length)])];
            text[1 + random.Next(text.Length - 1)] = (i % 2 == 0 ? Good : Bad)[random.Next(2)];
            return $"{string.Join(' ', text)} {i},{(i % 2 == 0 ? "yes" : "no")}\n";
        }));
    }
}
