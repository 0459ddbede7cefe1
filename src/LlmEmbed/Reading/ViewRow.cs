namespace LlmEmbed.Reading;

/// <summary>Where the views of a text stand in its row of numbers, one behind the other.</summary>
/// <param name="Sizes">[D], the channels of each view.</param>
internal sealed record ViewRow(IReadOnlyList<int> Sizes)
{
    /// <summary>[D], where each view begins.</summary>
    public IReadOnlyList<int> Offsets { get; } = [.. Sizes.Select((_, view) => Sizes.Take(view).Sum())];

    /// <summary>Numbers of a text.</summary>
    public int Length { get; } = Sizes.Sum();

    /// <summary>The size that all views have; null if they differ.</summary>
    public int? CommonSize => Sizes.Distinct().Count() == 1 ? Sizes[0] : null;

    /// <summary>How a store keeps the views of a text: [D,H], or as one where their sizes differ.</summary>
    public (int Views, int Size) Shape => CommonSize is int common ? (Sizes.Count, common) : (1, Length);

    /// <param name="views">The views.</param>
    /// <param name="hiddenSize">H, the size of every view but one.</param>
    /// <param name="sentence">Gives the size of <see cref="Pooling.Sentence"/>; null if it is not among the views.</param>
    public static ViewRow Of(IEnumerable<View> views, int hiddenSize, SentenceView? sentence) =>
        new([.. views.Select(view => view.Pooling == Pooling.Sentence ? sentence!.Size : hiddenSize)]);
}
