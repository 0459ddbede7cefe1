using LlmEmbed.Tokenization;

namespace LlmEmbed.Learning;

/// <summary>How much a learned attention looks at a word.</summary>
/// <param name="Word">In lower case.</param>
/// <param name="Weight">
/// How many times as much attention it gets as an average token of its text: the mean over the training texts that have it, drawn towards 1 where
/// these are few.
/// </param>
/// <param name="Texts">The training texts that have it.</param>
internal sealed record AttendedWord(string Word, double Weight, int Texts);

/// <summary>What a learned attention looks at: the words that it weighs highest over the training texts. It is saved with the classifier.</summary>
/// <param name="Backbone">The backbone, as the layout of the features names it.</param>
/// <param name="Depth">Of the states that it pools.</param>
/// <param name="Words">Those that get more than an average token, the highest weight first.</param>
internal sealed record AttentionSummary(string Backbone, int Depth, IReadOnlyList<AttendedWord> Words)
{
    /// <summary>A word of one text alone may be a name or a number, which nobody else should find in the classifier.</summary>
    private const int LeastTexts = 2;

    private const int MostWords = 15;

    /// <summary>Texts with an average weight that are added to those of each word, so that a rare word does not come first by chance.</summary>
    private const double PriorTexts = 5;

    /// <param name="backbone">As the layout of the features names it.</param>
    /// <param name="depth">Of the states.</param>
    /// <param name="words">[N], of each text.</param>
    /// <param name="weights">[N], of each text the attention [tokens] of its tokens, which sums to 1.</param>
    public static AttentionSummary Of(
        string backbone, int depth, IReadOnlyList<IReadOnlyList<TokenWord>> words, IReadOnlyList<float[]> weights)
    {
        Dictionary<string, (double Sum, int Texts)> found = new(StringComparer.Ordinal);
        for (int text = 0; text < words.Count; text++)
        {
            if (words[text].Sum(word => word.TokenCount) != weights[text].Length)
                throw new ArgumentException($"The words of text {text} have another number of tokens than its weights.", nameof(weights));
            foreach (IGrouping<string, TokenWord> word in words[text].Where(word => !word.IsSpecial).GroupBy(word => word.Word.ToLowerInvariant()))
            {
                (double sum, int texts) = found.GetValueOrDefault(word.Key);
                found[word.Key] = (sum + AttentionShare.FactorOf([.. word], weights[text]), texts + 1);
            }
        }
        IEnumerable<AttendedWord> all = found.Where(word => word.Value.Texts >= LeastTexts).Select(word =>
            new AttendedWord(word.Key, Math.Round((word.Value.Sum + PriorTexts) / (word.Value.Texts + PriorTexts), 3), word.Value.Texts));
        IEnumerable<AttendedWord> ordered = all.Where(word => word.Weight > 1).OrderByDescending(word => word.Weight)
            .ThenBy(word => word.Word, StringComparer.Ordinal);
        return new AttentionSummary(backbone, depth, [.. ordered.Take(MostWords)]);
    }
}

/// <summary>A text, for a picture of what a learned attention looks at. It is shown after training and never saved with a classifier.</summary>
/// <param name="Label">The text's class.</param>
/// <param name="Words">In the order of the text; weights are times the attention of an average token.</param>
internal sealed record ShadedText(string Label, IReadOnlyList<(string Word, double Weight)> Words);

/// <summary>A few texts as one learned attention sees them.</summary>
/// <param name="Backbone">As the layout of the features names it.</param>
/// <param name="Depth">Of the states.</param>
/// <param name="Texts">From as many classes as possible.</param>
internal sealed record ShadedTexts(string Backbone, int Depth, IReadOnlyList<ShadedText> Texts)
{
    private const int Count = 6;

    /// <summary>Words of a text that is neither too short to show anything nor too long to be looked over.</summary>
    private const int FewWords = 5, ManyWords = 60;

    /// <inheritdoc cref="AttentionSummary.Of"/>
    /// <param name="backbone">As the layout of the features names it.</param>
    /// <param name="depth">Of the states.</param>
    /// <param name="words">[N], of each text.</param>
    /// <param name="weights">[N], of each text the attention [tokens] of its tokens.</param>
    /// <param name="labels">[N], the class of each text.</param>
    /// <param name="classes">[C], the names of the classes.</param>
    public static ShadedTexts Of(
        string backbone,
        int depth,
        IReadOnlyList<IReadOnlyList<TokenWord>> words,
        IReadOnlyList<float[]> weights,
        IReadOnlyList<int> labels,
        IReadOnlyList<string> classes) =>
        new(backbone, depth, [.. Rows(words, labels).Select(text => new ShadedText(classes[labels[text]], Shade(words[text], weights[text])))]);

    private static (string Word, double Weight)[] Shade(IReadOnlyList<TokenWord> words, float[] weights) =>
        [.. words.Select(word => (word.Word, AttentionShare.FactorOf([word], weights)))];

    /// <summary>
    /// The first text of each class, then the second ones, and so on; texts of a suitable length come first. Of too many classes those are taken that
    /// lie evenly among all.
    /// </summary>
    private static int[] Rows(IReadOnlyList<IReadOnlyList<TokenWord>> words, IReadOnlyList<int> labels)
    {
        int[][] classes =
        [
            .. Enumerable.Range(0, labels.Count).GroupBy(text => labels[text]).OrderBy(texts => texts.Key).Select(
                texts => texts.OrderBy(text => words[text].Count is >= FewWords and <= ManyWords ? 0 : 1).ThenBy(text => text).Take(Count).ToArray()),
        ];
        if (classes.Length > Count) classes = [.. Enumerable.Range(0, Count).Select(index => classes[index * classes.Length / Count])];
        IEnumerable<int> inTurn = Enumerable.Range(0, Count).SelectMany(
            place => classes.Where(texts => place < texts.Length).Select(texts => texts[place]));
        return [.. inTurn.Take(Count)];
    }
}

/// <summary>Attention of words against that of an average token.</summary>
internal static class AttentionShare
{
    /// <summary>How many times as much attention these words of a text get, on average over their tokens, as an average token of it.</summary>
    /// <param name="words">At least one.</param>
    /// <param name="weights">[tokens] of the text.</param>
    public static double FactorOf(ReadOnlySpan<TokenWord> words, ReadOnlySpan<float> weights)
    {
        double sum = 0;
        int tokens = 0;
        foreach (TokenWord word in words)
        {
            foreach (float weight in weights.Slice(word.FirstToken, word.TokenCount)) sum += weight;
            tokens += word.TokenCount;
        }
        return sum * weights.Length / tokens;
    }
}
