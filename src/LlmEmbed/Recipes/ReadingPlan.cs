using LlmEmbed.Data;
using LlmEmbed.Reading;

namespace LlmEmbed.Recipes;

/// <summary>Which views of which backbones are read of all texts.</summary>
/// <param name="Backbones">The backbones, each with what is read of it.</param>
internal sealed record ReadingPlan(IReadOnlyList<(OpenBackbone Backbone, BackbonePlan Plan)> Backbones)
{
    /// <summary>The texts that were read to make the plan, whose states need not be read again; null if there are none.</summary>
    public SampleStates? Sample { get; init; }

    /// <summary>How the views were chosen; null if they were given.</summary>
    public SelectionSummary? Selection { get; init; }

    /// <summary>Reads all texts.</summary>
    /// <exception cref="LlmEmbedException">A backbone does not have what is planned, or a file cannot be used.</exception>
    public Features Read(TrainingTexts texts, RuntimeOptions runtime, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        List<IDisposable> owned = [];
        return Disposal.OnFailure(owned, () =>
        {
            FeatureReader reader = FeatureReader.Open(Backbones, runtime, new Work(progress, cancellationToken));
            owned.Add(reader);
            FeatureMatrix matrix = FeatureStorage.Of(runtime).Allocate(texts.Texts.Length, reader.Layout.FeatureCount);
            owned.Add(matrix);
            return Sample is { } sample
                ? ReadRest(texts, sample, reader, matrix, progress, cancellationToken)
                : new Features(reader, matrix, reader.Read(texts.Texts, matrix.RowTarget, progress, cancellationToken)) { Selection = Selection };
        });
    }

    /// <summary>Reads what the sample does not hold, and puts both together.</summary>
    private Features ReadRest(
        TrainingTexts texts,
        SampleStates sample,
        FeatureReader reader,
        FeatureMatrix matrix,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken)
    {
        // A network that is cut below the depth of the tokens does not go on for their sake.
        TokenStates[] tokens =
            [.. sample.Tokens.Select(states => states.WithDepths(depth => depth <= DepthOf(states.Backbone))).OfType<TokenStates>()];
        int[] rest = [.. Enumerable.Range(0, texts.Texts.Length).Except(sample.Rows)];
        foreach ((int place, int row) in sample.Rows.Index()) sample.Features.Row(place).CopyTo(matrix.RowTarget(row));
        EncodingStatistics[] read = reader.Read(
            [.. rest.Select(row => texts.Texts[row])],
            text => matrix.RowTarget(rest[text]),
            progress,
            cancellationToken,
            backbone => tokens.RowsOf(backbone.Name, rest));
        EncodingStatistics[] both = [.. sample.Statistics.Zip(read, (first, other) => first.Plus(other.AtRows(rest)))];
        return new Features(reader, matrix, both) { Selection = Selection, Tokens = tokens };

        int DepthOf(string backbone) => reader.Backbones.Where(part => part.Name == backbone).Select(part => part.Plan.Depth).FirstOrDefault(-1);
    }
}

/// <summary>What the texts of the sample gave at the views that are read of all texts.</summary>
/// <param name="Rows">The texts, ascending.</param>
/// <param name="Features">[sample,F].</param>
/// <param name="Statistics">What reading them met and cost, for each backbone of the plan.</param>
/// <param name="Tokens">
/// For each backbone the token states of all texts, those of the sample filled in; empty if nothing is learned from them.
/// </param>
internal sealed record SampleStates(
    int[] Rows, FeatureMatrix Features, IReadOnlyList<EncodingStatistics> Statistics, IReadOnlyList<TokenStates> Tokens);
