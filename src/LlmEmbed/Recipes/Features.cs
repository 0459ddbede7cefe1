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

    /// <summary>The same texts at some of the views, with readers that read just these. What was there before is freed.</summary>
    /// <param name="views">In the order of the layout.</param>
    /// <param name="runtime">How the backbones run.</param>
    public Features Narrow(IReadOnlyList<ViewKey> views, RuntimeOptions runtime)
    {
        Features reading = Reading(views, [], runtime);
        FeatureMatrix narrow = Disposal.OnFailure([reading.Reader], () => Matrix.Select(Reader.Layout.ColumnsOf(views)));
        TokenStates[] tokens = [.. Tokens.Where(states => reading.Reader.Backbones.Any(backbone => backbone.Name == states.Backbone))];
        Dispose();
        return reading with { Matrix = narrow, Tokens = tokens };
    }

    /// <summary>
    /// The same with readers for prediction, which read what a head needs: the views that it uses and those whose pooling was learned. The features
    /// stay what they are.
    /// </summary>
    public Features ReadFor(TrainedHead head, RuntimeOptions runtime)
    {
        if (head.Layout is not { } layout || layout.Keys.SequenceEqual(Reader.Layout.Keys)) return this;
        Features reading = Reading(layout.Keys, head.Queries, runtime);
        Reader.Dispose();
        return reading;
    }

    /// <summary>The same features with readers of other views of the backbones; a backbone of which none is wanted was read for nothing.</summary>
    private Features Reading(
        IReadOnlyList<ViewKey> views, IReadOnlyList<(string Backbone, AttentionQuery Query)> queries, RuntimeOptions runtime)
    {
        List<(OpenBackbone, BackbonePlan)> plans = [];
        List<EncodingStatistics> statistics = [];
        SelectionSummary? selection = Selection;
        foreach ((BackboneReader backbone, EncodingStatistics part) in Reader.Backbones.Zip(Statistics))
        {
            View[] own = [.. views.Where(view => view.Backbone == backbone.Name).Select(view => view.View)];
            if (own.Length == 0)
            {
                selection = selection?.AfterReading(backbone.Name, part);
                continue;
            }
            AttentionQuery[] learned = [.. queries.Where(query => query.Backbone == backbone.Name).Select(query => query.Query)];
            plans.Add((backbone.Backbone, backbone.Plan with { Views = own, AttentionQueries = learned }));
            statistics.Add(part);
        }
        return new Features(FeatureReader.Open(plans, runtime), Matrix, statistics) { Selection = selection };
    }

    /// <summary>Frees the features and the backbones' readers.</summary>
    public void Dispose() => Disposal.All([Matrix, Reader]);
}
