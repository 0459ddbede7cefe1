using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>
/// What is to be learned from features and labels: plain data, made from a user's options and from what was found out while the texts were read.
/// </summary>
/// <param name="Head">The head that was asked for.</param>
internal sealed record LearningPlan(HeadOptions Head)
{
    /// <summary>The seed of every random choice.</summary>
    public ulong Seed { get; init; }

    /// <summary>The most threads that work at a time. Results do not depend on it.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>The penalty that suited many of the texts already: only it and its neighbours are tried. Null if nothing is known.</summary>
    public double? LikelyC { get; init; }

    /// <summary>The sets of views on which regressions are trained, at least one; null for all views together.</summary>
    public IReadOnlyList<IReadOnlyList<ViewKey>>? ViewSets { get; init; }

    /// <summary>How the network of a reference recipe is built and trained; null for the options of the project's own networks.</summary>
    public CooccurrenceOptions? Network { get; init; }
}
