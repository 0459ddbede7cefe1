using LlmEmbed.Reading;

namespace LlmEmbed.Recipes;

/// <summary>What the choice of views met and cost.</summary>
/// <param name="Candidates">What was compared.</param>
/// <param name="Choice">The outcome; null if there were too few texts to compare anything, and the default views were taken.</param>
/// <param name="SampleTexts">The texts that were read at every candidate view.</param>
/// <param name="Encoding">The cost of reading them, for each backbone that was asked for.</param>
/// <param name="Elapsed">Time of the comparison, reading not counted.</param>
internal sealed record SelectionSummary(
    FeatureLayout Candidates,
    ViewChoice? Choice,
    int SampleTexts,
    IReadOnlyList<(string Backbone, EncodingStatistics Statistics)> Encoding,
    TimeSpan Elapsed)
{
    /// <summary>The comparison on more texts than the sample, of sets that cost the same to read; null if the sample was all there is.</summary>
    public SecondLook? SecondLook { get; init; }

    /// <summary>What each candidate alone is worth; empty if nothing was compared.</summary>
    public IReadOnlyList<ViewProbe> Probes => [.. (Choice?.Singles ?? []).Select(single => ViewProbe.Of(single.Views.Single(), single.Score))];

    /// <summary>The same with what reading more texts of a backbone cost, which was then left out.</summary>
    public SelectionSummary AfterReading(string backbone, EncodingStatistics statistics) => this with
    {
        Encoding = [.. Encoding.Select(part => part.Backbone == backbone ? (backbone, statistics) : part)],
    };

    /// <summary>Whether a second look at more texts follows.</summary>
    public bool LooksTwice { get; init; }
}
