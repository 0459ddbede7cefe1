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

    /// <summary>The texts' tokens, of one of the backbones; null if nothing is learned from them.</summary>
    public TokenStates? Tokens { get; init; }

    /// <summary>The views of some texts that were read at the same backbones, for what is learned of them.</summary>
    public HeadTrainingData With(TrainingTexts texts) =>
        HeadTrainingData.Of(texts, Matrix, Reader.Layout) with { Tokens = Tokens };

    /// <summary>The backbones for prediction: those of the training, with the view that was learned.</summary>
    public FeatureReader ReaderWith(AttentionView? view, RuntimeOptions runtime)
    {
        if (view is null) return Reader;
        BackboneReader[] backbones = [.. Reader.Backbones];
        int index = Array.FindIndex(backbones, backbone => backbone.Name == view.Backbone);
        BackboneReader old = backbones[index];
        BackbonePlan plan = old.Plan with
        {
            Views = [.. old.Plan.Views, new View(view.Depth, Pooling.Attention)],
            AttentionQueries = [new AttentionQuery(view.Depth, view.Query)],
        };
        backbones[index] = new BackboneReader(old.Backbone, plan, runtime);
        old.Dispose();
        return new FeatureReader(backbones);
    }

    /// <summary>Frees the features and the backbones' readers.</summary>
    public void Dispose() => Disposal.All([Matrix, Reader]);
}
