using LlmEmbed.Learning;

namespace LlmEmbed.Reports;

/// <summary>The part of a page that shows what learned attention looks at: a table of words and a few shaded texts.</summary>
internal static class AttentionSection
{
    private const int MostWords = 60, NamedWords = 3;

    /// <summary>From these multiples of the attention of an average token on a word has the first shade, the second, and so on.</summary>
    private static readonly double[] Levels = [1.5, 2.5, 4];

    public static void AddTo(HtmlPage page, IReadOnlyList<AttentionSummary> attention, ShadedTexts? shaded)
    {
        if (attention.Count > 0)
        {
            page.Heading("What the learned attention looks at");
            page.Note(
                "Words of the training texts, each in two texts or more, and how many times as much attention they get as an average token. " +
                "Words of few texts are drawn towards 1.");
            page.Add(new Table(["attention", "words"], FirstNumber: 2, [.. attention.Select(Row)]));
        }
        if (shaded is not { Texts.Count: > 0 }) return;
        page.Heading($"Texts as the attention at depth {shaded.Depth} of {shaded.Backbone} sees them");
        page.Note(
            $"Words are shaded that get {Level(0)} times as much attention as an average token or more, darker and underlined from {Level(1)} " +
            $"times on, darkest and bold from {Level(2)}. Marks such as [SEP], if there are any, come from the backbone's tokenizer.");
        page.Texts(shaded.Texts.Select(text => (Words(text), Remark(text))));
    }

    private static string[] Row(AttentionSummary summary) =>
        [$"depth {summary.Depth} of {summary.Backbone}", AttentionSentences.Describe(summary.Words)];

    private static string Level(int index) => Markup.Format(Levels[index], "0.#");

    private static IEnumerable<ShadedWord> Words(ShadedText text)
    {
        foreach ((string word, double weight) in text.Words.Take(MostWords))
            yield return new ShadedWord(
                word, Levels.Count(level => weight >= level), $"{AttentionSentences.Factor(weight)} times the attention of an average token");
        if (text.Words.Count > MostWords) yield return new ShadedWord("…", 0, $"and {text.Words.Count - MostWords} more");
    }

    /// <summary>The class of a text, and its words with the most attention, which can be read without a colour or a pointer.</summary>
    private static string Remark(ShadedText text) =>
        $"{text.Label}; most attention: " + string.Join(", ", text.Words.OrderByDescending(word => word.Weight).Take(NamedWords)
            .Select(word => $"{AttentionSentences.Shown(word.Word)} {AttentionSentences.Factor(word.Weight)}"));
}
