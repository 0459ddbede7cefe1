using LlmEmbed.Data;
using Xunit;

namespace LlmEmbed.Tests.Data;

public sealed class TextOverlapTests
{
    private static readonly string[] Training =
    [
        "I was charged twice this month!", "The parcel never came", "refund please", "Where is my parcel, I have waited for it since Monday",
    ];

    [Theory]
    [InlineData("i was charged  twice, this month", "same")] // case, punctuation and space do not count
    [InlineData("Refund, please.", "same")]
    [InlineData("where is my parcel", "part")] // of a training text
    [InlineData("Hello, the parcel never came, so I write to you", "part")] // contains one
    [InlineData("my parcel", "new")] // too short to be called a part
    [InlineData("a refund please", "new")] // contains a training text of two words, which may be chance
    [InlineData("the parcel came", "new")] // not in a row
    [InlineData("charged twice", "new")]
    public void A_text_is_a_training_text_a_part_of_one_or_new(string text, string expected)
    {
        TextOverlap overlap = TextOverlap.Find(Training, [text]);
        Assert.Equal(expected, overlap.Same.Count > 0 ? "same" : overlap.Parts.Count > 0 ? "part" : "new");
        Assert.Equal(expected != "new", overlap.Any);
    }

    [Fact]
    public void What_is_shared_is_counted_once_said_and_left_out()
    {
        string[] test = ["the parcel never came", "something new", "is my parcel, I", "THE PARCEL NEVER CAME", "the parcel never came today"];
        TextOverlap overlap = TextOverlap.Find([.. Training, .. Training], test);
        Assert.Equal([0, 3], overlap.Same);
        Assert.Equal([2, 4], overlap.Parts);
        Assert.Equal(["something new"], overlap.Without(test));
        Assert.StartsWith(
            "2 of 5 texts also are training texts; 2 more are part of a training text or contain one", overlap.ToString(), StringComparison.Ordinal);
        Assert.Contains("figures below count them", overlap.ToString(), StringComparison.Ordinal);
        Assert.EndsWith("left out of the figures", (overlap with { IsLeftOut = true }).ToString(), StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => overlap.Without(test[..2]));
        Assert.False(TextOverlap.Find(Training, ["something new"]).Any);
    }

    [Fact]
    public void Long_texts_are_compared_as_wholes()
    {
        string longText = string.Join(' ', Enumerable.Range(0, 100).Select(i => $"w{i}"));
        Assert.Single(TextOverlap.Find([longText], [longText.ToUpperInvariant()]).Same);
        Assert.False(TextOverlap.Find([longText], ["w1 w2 w3 w4"]).Any);
    }

    /// <summary>The two ways to find a part agree: words in a row, found by looking at all places.</summary>
    [Fact]
    public void Parts_are_those_that_a_search_through_all_texts_finds()
    {
        DeterministicRandom random = new(1);
        string Word() => $"{(char)('a' + random.Next(3))}";
        string Text() => string.Join(' ', Enumerable.Range(0, 1 + random.Next(7)).Select(_ => Word()));
        string[] Draw(int count) => [.. Enumerable.Range(0, count).Select(_ => Text())];
        string[] training = Draw(12), test = Draw(400);
        TextOverlap overlap = TextOverlap.Find(training, test);
        static bool IsPart(string part, string whole) =>
            part != whole && part.Split(' ').Length >= 3 && $" {whole} ".Contains($" {part} ", StringComparison.Ordinal);
        int[] same = [.. Enumerable.Range(0, test.Length).Where(text => training.Contains(test[text], StringComparer.Ordinal))];
        int[] parts =
        [
            .. Enumerable.Range(0, test.Length).Except(same).Where(
                text => training.Any(other => IsPart(test[text], other) || IsPart(other, test[text]))),
        ];
        Assert.NotEmpty(parts);
        Assert.True(same.Length + parts.Length < test.Length);
        Assert.Equal(same, overlap.Same);
        Assert.Equal(parts, overlap.Parts);
    }
}
