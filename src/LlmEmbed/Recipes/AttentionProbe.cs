using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;

namespace LlmEmbed.Recipes;

/// <summary>
/// What learned attention is worth at each depth that is probed, in the folds of the linear probes. If the states of all tokens take too much memory,
/// a sample of the texts takes part.
/// </summary>
/// <param name="Rows">The texts that take part, ascending.</param>
/// <param name="Folds">[Rows], the fold in which each is held out.</param>
/// <param name="Tokens">Of these texts, to be filled.</param>
/// <param name="IsCut">Whether these are fewer texts than those of the linear probes.</param>
internal sealed record AttentionProbe(int[] Rows, int[] Folds, TokenStates Tokens, bool IsCut)
{
    /// <param name="reader">Of which the depths above 0 are probed.</param>
    /// <param name="texts">All texts.</param>
    /// <param name="options">Of the linear probes.</param>
    /// <param name="memoryBytes">The most bytes that the states may take, beside the limit of <see cref="AttentionDepths"/>.</param>
    /// <returns>Null if no depth above 0 is probed, or if no text has a token to read.</returns>
    public static AttentionProbe? For(BackboneReader reader, TrainingTexts texts, LinearOptions options, long memoryBytes)
    {
        int[] depths = [.. reader.Plan.Views.Select(view => view.Depth).Where(depth => depth > 0).Distinct().Order()];
        int[] counts = reader.AttendedCounts(texts.Texts);
        long tokens = counts.Sum(count => (long)count);
        if (depths.Length == 0 || tokens == 0) return null;
        int wanted = Math.Min(options.MaxCrossValidationRows, counts.Length);
        int rowsThatFit = (int)Math.Min(
            wanted, AttentionDepths.TextsWithin(tokens, counts.Length, reader.HiddenSize, depths.Length, memoryBytes));
        (int[] rows, int[] folds) = LinearHeadTrainer.Split(texts.Labels, texts.Groups, options with { MaxCrossValidationRows = rowsThatFit });
        TokenStates states = TokenStates.Allocate(reader.Name, depths, reader.HiddenSize, [.. rows.Select(row => counts[row])], long.MaxValue)!;
        return new AttentionProbe(rows, folds, states, IsCut: rowsThatFit < wanted);
    }

    /// <summary>Learns and measures.</summary>
    /// <param name="data">All texts.</param>
    /// <param name="plan">Seed and threads.</param>
    /// <param name="progress">Told about each depth.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    public IEnumerable<ViewProbe> Run(
        HeadTrainingData data, LearningPlan plan, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        HeadTrainingData part = (Rows.Length < data.Rows ? data.Select(Rows) : data) with { Tokens = [Tokens] };
        return AttentionExperts.HeldOut(part, Folds, plan, progress, cancellationToken).Select(held =>
        {
            PenaltyScore score = PenaltyCandidate.ScoreOf(double.NaN, held.Logits, part.Labels, Folds, Folds.Max() + 1);
            return ViewProbe.Of(held.View, score) with { C = null, SampleTexts = IsCut ? Rows.Length : null };
        });
    }
}
