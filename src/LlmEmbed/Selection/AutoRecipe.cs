using System.Diagnostics;
using LlmEmbed.Heads;

namespace LlmEmbed.Selection;

/// <summary>What the choice of views met and cost.</summary>
/// <param name="Candidates">What was compared.</param>
/// <param name="Choice">The outcome; null where there were too few texts to compare anything, and the default views were taken.</param>
/// <param name="SampleTexts">The texts that were read at every candidate view.</param>
/// <param name="Encoding">The cost of reading them, for each backbone that was asked for.</param>
/// <param name="Elapsed">Time of the comparison, reading not counted.</param>
internal sealed record SelectionSummary(
    FeatureLayout Candidates, ViewChoice? Choice, int SampleTexts, IReadOnlyList<(string Backbone, EncodingStatistics Statistics)> Encoding, TimeSpan Elapsed);

/// <summary>Encoders, and what they made of the training texts: one row of fused features for each.</summary>
internal sealed record ExtractedFeatures(IReadOnlyList<TextEncoder> Encoders, FeatureMatrix Features, IReadOnlyList<EncodingStatistics> Statistics, SelectionSummary? Selection);

/// <summary>
/// The recipe that finds out what works: a sample is read at many views, a few views are chosen on it, the networks are cut above the deepest of them,
/// and the rest of the texts is read with what is left.
/// </summary>
internal sealed class AutoRecipe(TrainingOptions options, IProgress<WorkProgress>? progress, CancellationToken cancellation)
{
    /// <summary>Texts on which views are compared. More would cost more than the cut saves on ordinary data, and separate views by less than matters.</summary>
    private const int DefaultSampleTexts = 1500;

    public int SampleTexts { get; init; } = DefaultSampleTexts;

    /// <summary>Whether views are left to this recipe.</summary>
    public static bool Applies(TrainingOptions options) =>
        options is { Recipe: Recipe.Auto, Head: HeadKind.Linear, Encoder: { Views: null, Depths: null, Poolings: null } };

    /// <summary>Chooses views and reads all texts at them.</summary>
    /// <param name="texts">The N training texts.</param>
    /// <param name="labels">[N].</param>
    /// <param name="classCount">C.</param>
    /// <param name="rows">The rows that the choice may look at, ascending; what is held out for measuring is not among them.</param>
    public ExtractedFeatures Extract(string[] texts, int[] labels, int classCount, int[] rows)
    {
        int[] sample = [.. StratifiedSplit.Sample([.. rows.Select(row => labels[row])], SampleTexts, (ulong)options.Seed).Select(index => rows[index])];
        (FeatureMatrix sampled, List<(int, EncoderOptions)> kept, SelectionSummary summary) = ReadSample(texts, labels, classCount, sample);
        return ReadRest(texts, sample, sampled, kept, summary);
    }

    /// <summary>Reads the sample at every candidate view and chooses.</summary>
    /// <returns>The sample's features at the chosen views, the backbones that are kept, and how it came about.</returns>
    private (FeatureMatrix Sampled, List<(int Backbone, EncoderOptions Options)> Kept, SelectionSummary Summary) ReadSample(string[] texts, int[] labels, int classCount, int[] sample)
    {
        List<TextEncoder> candidates = LoadAll(options, options.Backbones.Select(_ => options.Encoder with { ViewsOf = CandidateViews.Of }));
        try
        {
            TextEmbeddings[] read = ReadRows(candidates, texts, sample);
            long start = Stopwatch.GetTimestamp();
            FeatureLayout layout = Fusion.LayoutOf(candidates);
            HeadTrainingData data = new(new ArrayFeatures(Fusion.Fuse(read), sample.Length, layout.FeatureCount), [.. sample.Select(row => labels[row])], classCount, layout);
            int[] defaults = DefaultIndexes(candidates);
            ViewChoice? choice = ViewChooser.Choose(data, defaults, LinearOptions.Of(options), progress, cancellation);
            SelectionSummary summary = new(
                layout,
                choice,
                sample.Length,
                [.. candidates.Zip(read, (encoder, part) => (encoder.Name, part.Statistics.AtRows(sample)))],
                Stopwatch.GetElapsedTime(start));
            int[] chosen = [.. choice?.Chosen.Views ?? defaults];
            return (data.SelectViews(chosen).Features, KeptOf(candidates, chosen), summary);
        }
        finally
        {
            foreach (TextEncoder encoder in candidates) encoder.Dispose();
        }
    }

    /// <summary>Indexes of the default views among those of all encoders.</summary>
    public static int[] DefaultIndexes(IEnumerable<TextEncoder> encoders) =>
    [
        .. encoders
            .SelectMany(encoder => encoder.Views.Select(view => EncoderOptions.DefaultViews(encoder.Backbone.IsDecoder, encoder.BlockCount).Contains(view)))
            .Index().Where(view => view.Item).Select(view => view.Index),
    ];

    /// <summary>The backbones of which a view was chosen, as indexes into those asked for, with what they are then to keep.</summary>
    private List<(int Backbone, EncoderOptions Options)> KeptOf(List<TextEncoder> candidates, int[] chosen)
    {
        List<(int, EncoderOptions)> kept = [];
        int first = 0;
        foreach ((int index, TextEncoder candidate) in candidates.Index())
        {
            View[] views = [.. candidate.Views.Where((_, view) => chosen.Contains(first + view))];
            // The precision is the sample's, since both go into one matrix.
            if (views.Length > 0) kept.Add((index, options.Encoder with { Views = views, Precision = candidate.Precision }));
            first += candidate.Views.Count;
        }
        return kept;
    }

    /// <summary>Opens the backbones with the chosen views, reads what the sample did not hold, and puts both together.</summary>
    private ExtractedFeatures ReadRest(string[] texts, int[] sample, FeatureMatrix sampled, List<(int Backbone, EncoderOptions Options)> kept, SelectionSummary summary)
    {
        List<TextEncoder> encoders = LoadAll(options with { Backbones = [.. kept.Select(part => options.Backbones[part.Backbone])] }, kept.Select(part => part.Options));
        FeatureMatrix? features = null;
        try
        {
            int[] rest = [.. Enumerable.Range(0, texts.Length).Except(sample)];
            features = FeatureStorage.Of(options).Allocate(texts.Length, sampled.Columns);
            for (int i = 0; i < sample.Length; i++) sampled.Row(i).CopyTo(features.RowTarget(sample[i]));
            EncodingStatistics[] read = Fusion.Read(encoders, [.. rest.Select(row => texts[row])], text => features.RowTarget(rest[text]), progress, cancellation);
            return new ExtractedFeatures(encoders, features, [.. kept.Zip(read, (part, other) => summary.Encoding[part.Backbone].Statistics.Plus(other.AtRows(rest)))], summary);
        }
        catch
        {
            features?.Dispose();
            foreach (TextEncoder encoder in encoders) encoder.Dispose();
            throw;
        }
    }

    private TextEmbeddings[] ReadRows(List<TextEncoder> encoders, string[] texts, int[] rows)
    {
        string[] chosen = [.. rows.Select(row => texts[row])];
        return [.. encoders.Select(encoder => encoder.Encode(chosen, progress, cancellation))];
    }

    /// <summary>Opens the backbones that the options name, each with its own encoder options.</summary>
    public static List<TextEncoder> LoadAll(TrainingOptions options, IEnumerable<EncoderOptions> encoderOptions)
    {
        if (options.Backbones.Count == 0) throw new LlmEmbedException("No backbone to train on: name at least one.");
        if (options.Backbones.GroupBy(backbone => backbone, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } repeated)
            throw new LlmEmbedException($"The backbone '{repeated.Key}' is named twice. Name it once; several depths and poolings of one backbone are asked for together.");
        List<TextEncoder> encoders = [];
        try
        {
            foreach ((string backbone, EncoderOptions encoder) in options.Backbones.Zip(encoderOptions)) encoders.Add(TextEncoder.Load(backbone, encoder));
            return encoders;
        }
        catch
        {
            foreach (TextEncoder encoder in encoders) encoder.Dispose();
            throw;
        }
    }
}
