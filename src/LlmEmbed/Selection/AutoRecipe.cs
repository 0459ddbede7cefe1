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

/// <summary>Encoders, and what they made of the training texts.</summary>
internal sealed record ExtractedFeatures(IReadOnlyList<TextEncoder> Encoders, float[] Values, IReadOnlyList<EncodingStatistics> Statistics, SelectionSummary? Selection);

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
        string[] sampleTexts = [.. sample.Select(row => texts[row])];
        List<TextEncoder> candidates = LoadAll(options, options.Backbones.Select(_ => options.Encoder with { UsesCandidateViews = true }));
        TextEmbeddings[] sampled;
        FeatureLayout layout;
        ViewChoice? choice;
        long start;
        try
        {
            sampled = [.. candidates.Select(encoder => encoder.Encode(sampleTexts, progress, cancellation))];
            layout = Fusion.LayoutOf(candidates);
            start = Stopwatch.GetTimestamp();
            HeadTrainingData data = new(new ArrayFeatures(Fusion.Fuse(sampled), sample.Length, layout.FeatureCount), [.. sample.Select(row => labels[row])], classCount, layout);
            LinearOptions linear = new() { Seed = (ulong)options.Seed, Threads = options.Encoder.Threads ?? Environment.ProcessorCount };
            choice = ViewChooser.Choose(data, DefaultIndexes(candidates), linear, progress, cancellation);
        }
        finally
        {
            foreach (TextEncoder encoder in candidates) encoder.Dispose();
        }
        SelectionSummary summary = new(layout, choice, sample.Length, [.. candidates.Zip(sampled, (encoder, part) => (encoder.Name, part.Statistics with { TextsWithoutTokens = [.. part.Statistics.TextsWithoutTokens.Select(text => sample[text])] }))], Stopwatch.GetElapsedTime(start));
        int[] chosen = [.. choice?.Chosen.Views ?? DefaultIndexes(candidates)];
        return ReadAll(texts, sample, candidates, sampled, chosen, summary);
    }

    /// <summary>Opens the backbones with the chosen views, reads what the sample did not hold, and puts both together.</summary>
    private ExtractedFeatures ReadAll(string[] texts, int[] sample, List<TextEncoder> candidates, TextEmbeddings[] sampled, int[] chosen, SelectionSummary summary)
    {
        int first = 0;
        List<(int Backbone, int[] Views)> kept = [];
        foreach ((int index, TextEncoder candidate) in candidates.Index())
        {
            int[] views = [.. chosen.Where(view => view >= first && view < first + candidate.Views.Count).Select(view => view - first)];
            if (views.Length > 0) kept.Add((index, views));
            first += candidate.Views.Count;
        }
        TrainingOptions keptOptions = options with { Backbones = [.. kept.Select(part => options.Backbones[part.Backbone])] };
        // The precision is the sample's, since both go into one matrix.
        List<TextEncoder> encoders = LoadAll(keptOptions, kept.Select(part =>
            options.Encoder with { Views = [.. part.Views.Select(view => candidates[part.Backbone].Views[view])], Precision = candidates[part.Backbone].Precision }));
        try
        {
            int[] rest = [.. Enumerable.Range(0, texts.Length).Except(sample).Order()];
            string[] restTexts = [.. rest.Select(row => texts[row])];
            TextEmbeddings[] restParts = [.. encoders.Select(encoder => encoder.Encode(restTexts, progress, cancellation))];
            EncodingStatistics[] statistics = [.. kept.Zip(restParts, (part, read) => sampled[part.Backbone].Statistics.Plus(read.Statistics, sample, rest))];
            int columns = encoders.Sum(encoder => encoder.Views.Count * encoder.HiddenSize);
            float[] values = new float[checked(texts.Length * columns)];
            for (int i = 0; i < sample.Length; i++)
                Place(values.AsSpan(sample[i] * columns, columns), kept.SelectMany(part => part.Views.Select(view => (sampled[part.Backbone], view))), i);
            for (int i = 0; i < rest.Length; i++)
                Place(values.AsSpan(rest[i] * columns, columns), restParts.SelectMany(part => Enumerable.Range(0, part.Views.Count).Select(view => (part, view))), i);
            return new ExtractedFeatures(encoders, values, statistics, summary);
        }
        catch
        {
            foreach (TextEncoder encoder in encoders) encoder.Dispose();
            throw;
        }
    }

    private static void Place(Span<float> row, IEnumerable<(TextEmbeddings Part, int View)> views, int text)
    {
        foreach ((TextEmbeddings part, int view) in views)
        {
            part[text, view].CopyTo(row);
            row = row[part.HiddenSize..];
        }
    }

    private static int[] DefaultIndexes(List<TextEncoder> candidates) =>
    [
        .. candidates
            .SelectMany(encoder => encoder.Views.Select(view => (View: view, IsDefault: EncoderOptions.DefaultViews(encoder.Backbone.IsDecoder, encoder.BlockCount).Contains(view))))
            .Index().Where(pair => pair.Item.IsDefault).Select(pair => pair.Index),
    ];

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
