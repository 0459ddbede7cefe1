using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;

namespace LlmEmbed.Recipes;

/// <summary>The fused features of all training texts [N,F], and how they came about.</summary>
/// <param name="Reader">The backbones that they were read with.</param>
/// <param name="Matrix">[N,F].</param>
/// <param name="Statistics">What the reading met and cost, for each backbone of the reader.</param>
internal sealed record Features(FeatureReader Reader, FeatureMatrix Matrix, IReadOnlyList<EncodingStatistics> Statistics) : IDisposable
{
    /// <summary>How the views were chosen; null if they were given.</summary>
    public SelectionSummary? Selection { get; init; }

    /// <summary>For each backbone the tokens of the texts; empty if nothing is learned from them.</summary>
    public IReadOnlyList<TokenStates> Tokens { get; init; } = [];

    /// <summary>The views of some texts that were read at the same backbones, for what is learned of them.</summary>
    public HeadTrainingData With(TrainingTexts texts) =>
        HeadTrainingData.Of(texts, Matrix, Reader.Layout) with { Tokens = Tokens };

    /// <summary>
    /// The same with readers for prediction, which read what a head needs: the views that it uses and those whose pooling was learned. The features
    /// stay what they are.
    /// </summary>
    public Features ReadFor(TrainedHead head, RuntimeOptions runtime)
    {
        if (head.Layout is not { } layout || layout.Keys.SequenceEqual(Reader.Layout.Keys)) return this;
        List<(OpenBackbone, BackbonePlan)> plans = [];
        List<EncodingStatistics> statistics = [];
        SelectionSummary? selection = Selection;
        foreach ((BackboneReader backbone, EncodingStatistics part) in Reader.Backbones.Zip(Statistics))
        {
            View[] views = [.. layout.Views.Where(view => view.Backbone == backbone.Name).Select(view => view.View)];
            if (views.Length == 0)
            {
                selection = selection?.AfterReading(backbone.Name, part);
                continue;
            }
            AttentionQuery[] queries = [.. head.Queries.Where(learned => learned.Backbone == backbone.Name).Select(learned => learned.Query)];
            plans.Add((backbone.Backbone, backbone.Plan with { Views = views, AttentionQueries = queries }));
            statistics.Add(part);
        }
        FeatureReader reader = FeatureReader.Open(plans, runtime);
        Reader.Dispose();
        return new Features(reader, Matrix, statistics) { Selection = selection };
    }

    /// <summary>Frees the features and the backbones' readers.</summary>
    public void Dispose() => Disposal.All([Matrix, Reader]);
}
