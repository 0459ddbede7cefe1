using LlmEmbed.Data;
using Xunit;

namespace LlmEmbed.Tests.Data;

public sealed class OverlappingTextsTests
{
    [Fact]
    public void A_text_goes_with_the_longest_that_contains_it_and_equal_texts_go_together()
    {
        string[] texts =
        [
            "a gorgeous , witty , seductive movie", // 0
            "Witty, seductive movie!",              // part of text 0
            "seductive movie",                      // too short to be called a part
            "one long line with a gorgeous witty seductive movie inside", // contains text 0, and so text 1
            "witty seductive film",
            "seductive movie",                      // equal to text 2
            "",
            "?!",
        ];
        int[] groups = OverlappingTexts.GroupsOf(texts);
        Assert.Equal([3, 3, 2, 3, 4, 2, 6, 7], groups);
    }

    [Fact]
    public void A_phrase_of_two_sentences_joins_one_of_them_and_not_the_two()
    {
        int[] groups = OverlappingTexts.GroupsOf(["the end of the film was bad", "the end of the film", "he loved the end of the film very much"]);
        Assert.Equal([0, 2, 2], groups);
    }

    [Fact]
    public void Parts_of_very_long_texts_are_not_looked_for_but_their_copies_are()
    {
        string text = string.Join(' ', Enumerable.Range(0, 100).Select(i => $"w{i}"));
        Assert.Equal([0, 0, 2], OverlappingTexts.GroupsOf([text, text.ToUpperInvariant(), "w1 w2 w3 w4"]));
    }
}
