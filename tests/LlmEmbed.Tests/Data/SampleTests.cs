using System.Globalization;
using System.Text.RegularExpressions;
using LlmEmbed.Data;
using Xunit;

namespace LlmEmbed.Tests.Data;

/// <summary>Checks what samples/README.md says about the sample.</summary>
public sealed partial class SampleTests
{
    private static readonly string Readme = File.ReadAllText(Path.Combine(Repository.Root, "samples", "README.md"));
    private static readonly LabeledTable Train = LabeledTable.ReadForTraining(SamplePath("train.csv"));
    private static readonly LabeledTable Test = LabeledTable.Read(SamplePath("test.csv"));

    [Fact]
    public void The_readme_gives_the_number_of_texts_of_each_class()
    {
        string[] claimed = ClassRow().Matches(Readme).Select(row => $"{row.Groups["label"]} {row.Groups["train"]} {row.Groups["test"]}").ToArray();
        string[] counted = Train.Labels.Select(label => $"{label} {Count(Train, label)} {Count(Test, label)}").ToArray();
        Assert.Equal(counted, claimed);
        Assert.Contains($"`train.csv` has {Train.Examples.Count} texts, `test.csv` {Test.Examples.Count}:", Readme, StringComparison.Ordinal);
    }

    [Fact]
    public void Texts_are_as_long_as_the_readme_says()
    {
        int[] words = Train.Examples.Concat(Test.Examples).Select(example => example.Text.Split(' ').Length).ToArray();
        Assert.Contains($"{words.Min()} to {words.Max()} words each", Readme, StringComparison.Ordinal);
    }

    [Fact]
    public void No_text_occurs_twice_and_no_test_text_resembles_a_training_text()
    {
        string[] texts = Train.Examples.Concat(Test.Examples).Select(example => string.Join(' ', WordList(example.Text))).ToArray();
        Assert.Equal(texts.Length, texts.Distinct(StringComparer.Ordinal).Count());

        List<HashSet<string>> trainWords = Train.Examples.Select(example => Words(example.Text)).ToList();
        foreach (LabeledText example in Test.Examples)
        {
            HashSet<string> words = Words(example.Text);
            double closest = trainWords.Max(other => (double)words.Intersect(other).Count() / words.Union(other).Count());
            Assert.True(closest < 0.4, $"{closest:F2} of the words of '{example.Text}' occur in one training text");
        }
    }

    [Fact]
    public void One_word_per_class_does_not_solve_it()
    {
        Dictionary<string, (string Word, double Precision)> telling = Train.Labels.ToDictionary(label => label, MostTellingWord);
        int right = Test.Examples.Count(example =>
        {
            HashSet<string> words = Words(example.Text);
            string? guess = Train.Labels.Where(label => words.Contains(telling[label].Word)).MaxBy(label => telling[label].Precision);
            return string.Equals(guess ?? Train.Labels.MaxBy(label => Count(Train, label)), example.Label, StringComparison.Ordinal);
        });
        Assert.Contains(
            string.Create(CultureInfo.InvariantCulture, $"gets {100.0 * right / Test.Examples.Count:F0} % of the test texts right"),
            Readme,
            StringComparison.Ordinal);
    }

    private static (string Word, double Precision) MostTellingWord(string label)
    {
        Dictionary<string, (int All, int Here)> counts = new(StringComparer.Ordinal);
        foreach (LabeledText example in Train.Examples)
            foreach (string word in Words(example.Text))
            {
                (int all, int here) = counts.GetValueOrDefault(word);
                counts[word] = (all + 1, here + (string.Equals(example.Label, label, StringComparison.Ordinal) ? 1 : 0));
            }

        int size = Count(Train, label);
        (string best, (int total, int hits)) = counts.MaxBy(item => 2.0 * item.Value.Here / (size + item.Value.All)); // F1
        return (best, (double)hits / total);
    }

    private static int Count(LabeledTable table, string label) =>
        table.Examples.Count(example => string.Equals(example.Label, label, StringComparison.Ordinal));

    private static HashSet<string> Words(string text) => WordList(text).ToHashSet(StringComparer.Ordinal);

    private static IEnumerable<string> WordList(string text) => Word().Matches(text.ToLowerInvariant()).Select(match => match.Value);

    private static string SamplePath(string name) => Path.Combine(Repository.Root, "samples", "support-requests", name);

    [GeneratedRegex(@"^\| (?<label>[a-z]+) \| (?<train>\d+) \| (?<test>\d+) \|", RegexOptions.Multiline, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ClassRow();

    [GeneratedRegex("[a-z']+", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Word();
}
