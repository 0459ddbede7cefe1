using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;
using LlmEmbed.Tokenization;

namespace LlmEmbed.Recipes;

/// <summary>What the learned attention of a head looks at in the training texts.</summary>
/// <param name="Summaries">For each query the words with the highest weight.</param>
/// <param name="Shaded">A few texts as the query with the most weight in the mixture sees them; null if none was learned.</param>
internal sealed record AttentionLook(IReadOnlyList<AttentionSummary> Summaries, ShadedTexts? Shaded)
{
    /// <summary>The most texts that are looked at.</summary>
    private const int MostTexts = 2000;

    public static AttentionLook Of(TrainedHead head, TrainingTexts texts, Features features, int seed)
    {
        if (head.Queries.Count == 0) return new AttentionLook([], Shaded: null);
        int[] rows = StratifiedSplit.Sample(texts.Labels, MostTexts, (ulong)seed);
        string[] sample = [.. rows.Select(row => texts.Texts[row])];
        int[] labels = [.. rows.Select(row => texts.Labels[row])];
        Dictionary<string, IReadOnlyList<TokenWord>[]> words = [];
        List<AttentionSummary> summaries = [];
        ShadedTexts? shaded = null;
        foreach ((string backbone, AttentionQuery query) in head.Queries.OrderByDescending(learned => WeightOf(head, learned)))
        {
            if (!words.TryGetValue(backbone, out IReadOnlyList<TokenWord>[]? own))
                words.Add(backbone, own = features.Reader.Backbones.First(reader => reader.Name == backbone).WordsOf(sample));
            TokenStates tokens = features.Tokens.First(states => states.Backbone == backbone);
            float[] pooled = new float[tokens.HiddenSize];
            float[][] weights = [.. rows.Select(row => AttentionModel.Pool(tokens.Of(row, query.Depth), query.Values, pooled))];
            summaries.Add(AttentionSummary.Of(backbone, query.Depth, own, weights));
            shaded ??= ShadedTexts.Of(backbone, query.Depth, own, weights, labels, texts.Classes);
        }
        return new AttentionLook(summaries, shaded);
    }

    private static double WeightOf(TrainedHead head, (string Backbone, AttentionQuery Query) learned) =>
        ((MixtureDecision)head.Decisions.Head).Experts.Where(part => part.Expert.Kind == AttentionExperts.Kind)
        .Where(part => (part.Expert.Backbone, part.Expert.Depth) == (learned.Backbone, learned.Query.Depth)).Sum(part => part.Weight);
}
