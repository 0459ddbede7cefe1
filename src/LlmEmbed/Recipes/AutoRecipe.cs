using System.Diagnostics;
using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;

namespace LlmEmbed.Recipes;

/// <summary>What the choice of views met and cost.</summary>
/// <param name="Candidates">What was compared.</param>
/// <param name="Choice">The outcome; null where there were too few texts to compare anything, and the default views were taken.</param>
/// <param name="SampleTexts">The texts that were read at every candidate view.</param>
/// <param name="Encoding">The cost of reading them, for each backbone that was asked for.</param>
/// <param name="Elapsed">Time of the comparison, reading not counted.</param>
internal sealed record SelectionSummary(
    FeatureLayout Candidates, ViewChoice? Choice, int SampleTexts, IReadOnlyList<(string Backbone, EncodingStatistics Statistics)> Encoding, TimeSpan Elapsed)
{
    /// <summary>The comparison on more texts than the sample, of sets that cost the same to read; null where the sample was all there is.</summary>
    public SecondLook? SecondLook { get; init; }
}

/// <summary>Encoders, and what they made of the training texts: one row of fused features for each.</summary>
internal sealed record ExtractedFeatures(IReadOnlyList<TextEncoder> Encoders, FeatureMatrix Features, IReadOnlyList<EncodingStatistics> Statistics, SelectionSummary? Selection) : IDisposable
{
    /// <summary>The texts' tokens, of one of the encoders; null where nothing is learned from them.</summary>
    public TokenStates? Tokens { get; init; }

    /// <summary>The encoders, with the view that was learned.</summary>
    public IReadOnlyList<TextEncoder> EncodersWith(AttentionView view)
    {
        List<TextEncoder> encoders = [.. Encoders];
        int index = encoders.FindIndex(encoder => Fusion.NameOf(encoder) == view.Backbone);
        TextEncoder old = encoders[index];
        encoders[index] = TextEncoder.Load(old.Source, old.Options with { Views = [.. old.Views, new View(view.Depth, Pooling.Attention)], AttentionQuery = view.Query });
        old.Dispose();
        return encoders;
    }

    public void Dispose() => Disposal.All([Features, .. Encoders]);
}

/// <summary>
/// The recipe that finds out what works: a sample is read at many views, a few views are chosen on it, the networks are cut above the deepest of them,
/// and the rest of the texts is read with what is left. Views below the cut cost nothing more to read, and many texts can use more views than few, so all of
/// them are kept, and a second look at more texts decides which stay.
/// </summary>
internal sealed class AutoRecipe(TrainingOptions options, IProgress<WorkProgress>? progress, CancellationToken cancellation)
{
    /// <summary>Texts on which views are compared. More would cost more than the cut saves on ordinary data, and separate views by less than matters.</summary>
    private const int DefaultSampleTexts = 1500;

    /// <summary>Texts of the sample where it is all that the choice looks at; bounds follow from it elsewhere.</summary>
    public int SampleTexts { get; init; } = DefaultSampleTexts;

    /// <summary>Whether views are left to this recipe.</summary>
    public static bool Applies(TrainingOptions options) =>
        options is { Recipe: Recipe.Auto, Head: not HeadKind.Cooccurrence, Encoder: { Views: null, Depths: null, Poolings: null } };

    /// <summary>Chooses views and reads all texts at them.</summary>
    /// <param name="training">All training texts.</param>
    /// <param name="rows">Those that the choice may look at, ascending; what is held out for measuring is not among them.</param>
    public ExtractedFeatures Extract(TrainingTexts training, int[] rows)
    {
        (int sampleTexts, bool looksTwice) = Plan(rows.Length, training.ClassCount);
        int[] sample = [.. StratifiedSplit.Sample([.. rows.Select(row => training.Labels[row])], sampleTexts, (ulong)options.Seed).Select(index => rows[index])];
        SampleReading reading = ReadSample(training, sample, looksTwice);
        ExtractedFeatures features = ReadRest(training.Texts, sample, reading);
        return looksTwice && reading.Summary.Choice is not null ? Disposal.OnFailure([features], () => LookAgain(features, reading, training, rows)) : features;
    }

    /// <summary>How many texts the sample is to have, and whether more of them are looked at again. That settles the set, so that fewer show how deep to read, and of few texts a sample is a large share.</summary>
    public (int SampleTexts, bool LooksTwice) Plan(int texts, int classCount) =>
        Math.Min(texts, SecondLook.TextsFor(classCount)) > SampleTexts ? (Math.Clamp(texts / 10, SampleTexts / 2, SampleTexts * 2 / 3), true) : (SampleTexts, false);

    /// <summary>Reads the sample at every candidate view and chooses.</summary>
    private SampleReading ReadSample(TrainingTexts training, int[] sample, bool looksTwice)
    {
        List<TextEncoder> candidates = LoadCandidates();
        try
        {
            TrainingTexts part = training.Select(sample);
            TokenStates? tokens = AllocateTokens(candidates, training.Texts);
            FeatureLayout layout = Fusion.LayoutOf(candidates);
            ArrayFeatures features = new(new float[checked(sample.Length * layout.FeatureCount)], sample.Length, layout.FeatureCount);
            EncodingStatistics[] read = Fusion.Read(candidates, part.Texts, features.RowTarget, progress, cancellation, encoder => RowsOf(tokens, encoder, sample));
            long start = Stopwatch.GetTimestamp();
            HeadTrainingData data = part.With(features, layout);
            Dictionary<string, double> lengths = candidates.ToDictionary(Fusion.NameOf, encoder => encoder.TokensPerText(part.Texts));
            int[][] presets = Presets(candidates);
            ViewChoice? choice = ViewChooser.Choose(data, presets, backbone => lengths[backbone], LinearOptions.Of(options), Allowed(candidates, read, training.Texts.Length - sample.Length), progress, cancellation);
            SelectionSummary summary = new(
                layout,
                choice,
                sample.Length,
                [.. candidates.Zip(read, (encoder, statistics) => (Fusion.NameOf(encoder), statistics.AtRows(sample)))],
                Stopwatch.GetElapsedTime(start));
            int[] chosen = [.. choice?.Chosen.Views ?? presets[0]];
            if (looksTwice && choice is not null) chosen = [.. choice.Cut];
            return new SampleReading(data.SelectViews(chosen).Features, KeptOf(candidates, chosen), chosen, summary, tokens);
        }
        finally
        {
            Disposal.All(candidates);
        }
    }

    /// <summary>Room for the tokens of the largest backbone, where a query is to be learned from them and they fit.</summary>
    private TokenStates? AllocateTokens(List<TextEncoder> candidates, string[] texts)
    {
        if (!options.UseAttention || options.Head != HeadKind.Auto || options.Budget is not null || texts.Length < AttentionPooling.LeastTexts) return null;
        TextEncoder largest = candidates.Where(encoder => !encoder.IsPrompted).MaxBy(encoder => encoder.Backbone.ParameterCount(encoder.BlockCount))!;
        long memory = AttentionPooling.MostBytesFor(options), leastBytes = (long)texts.Length * largest.HiddenSize * sizeof(float);
        return largest.MemoryPlan.IsStreamed || leastBytes > memory
            ? null
            : TokenStates.Allocate(Fusion.NameOf(largest), AttentionPooling.DepthOf(largest.BlockCount), largest.HiddenSize, largest.AttendedCounts(texts), memory);
    }

    /// <summary>Where an encoder's tokens of some texts go.</summary>
    private static TokenRows? RowsOf(TokenStates? tokens, TextEncoder encoder, int[] rows) =>
        tokens is not null && Fusion.NameOf(encoder) == tokens.Backbone ? new TokenRows(tokens.Depth, text => tokens.Of(rows[text])) : null;

    /// <summary>Every backbone as it is and, where there is a prompt, every decoder with it: the two compete, alone and together.</summary>
    private List<TextEncoder> LoadCandidates()
    {
        RequireDistinct(options.Backbones);
        List<TextEncoder> candidates = [];
        return Disposal.OnFailure(candidates, () =>
        {
            foreach (string backbone in options.Backbones)
            {
                TextEncoder plain = TextEncoder.Load(backbone, options.Encoder with { ViewsOf = CandidateViews.Of, Prompt = null, LeadsTexts = true });
                candidates.Add(plain);
                if (options.Encoder.Prompt is string prompt && prompt != plain.Prompt && plain.Backbone.IsDecoder)
                    candidates.Add(TextEncoder.Load(backbone, options.Encoder with { ViewsOf = CandidateViews.Of, Precision = plain.Precision }));
            }
            if (options.Encoder.Prompt is not null && candidates.TrueForAll(encoder => !encoder.Backbone.IsDecoder))
                throw new LlmEmbedException("A prompt is tried with decoders, and none of the backbones is one. Add a decoder, give depths (--depths) to use the prompt as it is, or leave it out.");
            return candidates;
        });
    }

    /// <summary>
    /// Sets that have proved themselves on some data, as indexes among the views of all encoders: the default views, which suit sentiment; the mean of each last depth, which
    /// suits topics; and everything.
    /// </summary>
    public static int[][] Presets(IReadOnlyList<TextEncoder> encoders)
    {
        (TextEncoder Encoder, View View)[] views = [.. encoders.SelectMany(encoder => encoder.Views.Select(view => (encoder, view)))];
        int[] Where(Func<TextEncoder, View, bool> wanted) => [.. Enumerable.Range(0, views.Length).Where(view => wanted(views[view].Encoder, views[view].View))];
        return
        [
            Where((encoder, view) => EncoderOptions.DefaultViews(encoder.Backbone.IsDecoder, encoder.BlockCount).Contains(view)),
            Where((encoder, view) => view.Depth == encoder.BlockCount && view.Pooling != Pooling.Last),
            Where((_, _) => true),
        ];
    }

    /// <summary>Keeps the set of the views that were read which serves more texts than the sample best.</summary>
    private ExtractedFeatures LookAgain(ExtractedFeatures features, SampleReading reading, TrainingTexts training, int[] rows)
    {
        FeatureLayout layout = Fusion.LayoutOf(features.Encoders);
        SecondLook look = SecondLook.Take(training.With(features.Features, layout), reading.Views, features.Selection!.Choice!, rows, LinearOptions.Of(options), progress, cancellation);
        features = features with { Selection = features.Selection with { SecondLook = look } };
        return look.Chosen.Views.Count == reading.Views.Length ? features : Narrow(features, look.Chosen.Views, reading.Kept, layout);
    }

    /// <summary>The same texts at some of the views, with encoders that read just these.</summary>
    private static ExtractedFeatures Narrow(ExtractedFeatures features, IReadOnlyList<int> views, List<KeptBackbone> kept, FeatureLayout layout)
    {
        List<(string, EncoderOptions)> wanted = [];
        List<EncodingStatistics> statistics = [];
        (string Backbone, EncodingStatistics Statistics)[] costs = [.. features.Selection!.Encoding];
        int first = 0;
        foreach ((KeptBackbone backbone, EncodingStatistics part) in kept.Zip(features.Statistics))
        {
            View[] own = [.. backbone.Options.Views!.Where((_, view) => views.Contains(first + view))];
            first += backbone.Options.Views!.Count;
            if (own.Length == 0)
            {
                // All texts were read for nothing, not only the sample.
                costs[backbone.Candidate].Statistics = part;
                continue;
            }
            wanted.Add((backbone.Source, backbone.Options with { Views = own }));
            statistics.Add(part);
        }
        List<TextEncoder> encoders = LoadAll(wanted);
        FeatureMatrix narrow = Disposal.OnFailure(encoders, () => features.Features.Select([.. views.Select(view => layout.Views[view])]));
        features.Dispose();
        return new ExtractedFeatures(encoders, narrow, statistics, features.Selection with { Encoding = costs }) { Tokens = OfOneOf(encoders, features.Tokens) };
    }

    /// <summary>Within a budget of time a set may only be chosen if the rest of the texts can be read at it; how long that takes follows from the sample.</summary>
    private Func<ViewSetScore, bool>? Allowed(List<TextEncoder> candidates, EncodingStatistics[] read, int remainingTexts)
    {
        if (options.Budget is not { } budget) return null;
        FeatureLayout layout = Fusion.LayoutOf(candidates);
        Dictionary<string, double> secondsPerBlock = candidates.Zip(read).ToDictionary(
            pair => Fusion.NameOf(pair.First),
            pair => pair.Second.Elapsed.TotalSeconds / Math.Max(1, pair.Second.Texts) / pair.First.Views.Max(view => view.Depth));
        double left = budget.TotalSeconds * TimeBudget.ReadingShare - read.Sum(part => part.Elapsed.TotalSeconds);
        return set => remainingTexts * set.Views.Select(view => layout.Views[view]).GroupBy(view => view.Backbone)
            .Sum(backbone => secondsPerBlock[backbone.Key] * backbone.Max(view => view.Depth)) <= left;
    }

    /// <summary>The backbones of which a view was chosen, with what they are then to keep.</summary>
    private static List<KeptBackbone> KeptOf(List<TextEncoder> candidates, int[] chosen)
    {
        List<KeptBackbone> kept = [];
        int first = 0;
        foreach ((int index, TextEncoder candidate) in candidates.Index())
        {
            View[] views = [.. candidate.Views.Where((_, view) => chosen.Contains(first + view))];
            // The precision is the sample's, since both go into one matrix.
            if (views.Length > 0) kept.Add(new(index, candidate.Source, candidate.Options with { Views = views, ViewsOf = null, Precision = candidate.Precision }));
            first += candidate.Views.Count;
        }
        return kept;
    }

    /// <summary>Opens the backbones with the chosen views, reads what the sample did not hold, and puts both together.</summary>
    private ExtractedFeatures ReadRest(string[] texts, int[] sample, SampleReading reading)
    {
        List<TextEncoder> encoders = LoadAll(reading.Kept.Select(part => (part.Source, part.Options)));
        // A network that is cut below the tokens' depth does not go on for their sake.
        TokenStates? wanted = OfOneOf(encoders.Where(encoder => encoder.Views.Max(view => view.Depth) >= reading.Tokens?.Depth), reading.Tokens);
        List<IDisposable> owned = [.. encoders];
        return Disposal.OnFailure(owned, () =>
        {
            int[] rest = [.. Enumerable.Range(0, texts.Length).Except(sample)];
            FeatureMatrix features = FeatureStorage.Of(options).Allocate(texts.Length, reading.Features.Columns);
            owned.Add(features);
            for (int i = 0; i < sample.Length; i++) reading.Features.Row(i).CopyTo(features.RowTarget(sample[i]));
            EncodingStatistics[] read = Fusion.Read(encoders, [.. rest.Select(row => texts[row])], text => features.RowTarget(rest[text]), progress, cancellation, encoder => RowsOf(wanted, encoder, rest));
            return new ExtractedFeatures(encoders, features, [.. reading.Kept.Zip(read, (part, other) => reading.Summary.Encoding[part.Candidate].Statistics.Plus(other.AtRows(rest)))], reading.Summary) { Tokens = wanted };
        });
    }

    private static TokenStates? OfOneOf(IEnumerable<TextEncoder> encoders, TokenStates? tokens) => encoders.Any(encoder => Fusion.NameOf(encoder) == tokens?.Backbone) ? tokens : null;

    /// <exception cref="LlmEmbedException">No backbone is named, or one twice.</exception>
    public static void RequireDistinct(IReadOnlyList<string> backbones)
    {
        if (backbones.Count == 0) throw new LlmEmbedException("No backbone to train on: name at least one.");
        if (backbones.GroupBy(backbone => backbone, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } repeated)
            throw new LlmEmbedException($"The backbone '{repeated.Key}' is named twice. Name it once; several depths and poolings of one backbone are asked for together.");
    }

    /// <summary>Opens backbones, each with its own options.</summary>
    public static List<TextEncoder> LoadAll(IEnumerable<(string Backbone, EncoderOptions Options)> backbones)
    {
        List<TextEncoder> encoders = [];
        return Disposal.OnFailure(encoders, () =>
        {
            encoders.AddRange(backbones.Select(part => TextEncoder.Load(part.Backbone, part.Options)));
            return encoders;
        });
    }

    /// <param name="Features">The sample's, at the views to read of all texts.</param>
    /// <param name="Kept">The backbones that have such views.</param>
    /// <param name="Views">These views among the candidates.</param>
    /// <param name="Summary">How it came about.</param>
    /// <param name="Tokens">Of all texts, those of the sample filled in; null where nothing is learned from them.</param>
    private sealed record SampleReading(FeatureMatrix Features, List<KeptBackbone> Kept, int[] Views, SelectionSummary Summary, TokenStates? Tokens);

    /// <param name="Candidate">Its place among the candidates.</param>
    /// <param name="Source">What it is opened by.</param>
    /// <param name="Options">With the views to keep.</param>
    private sealed record KeptBackbone(int Candidate, string Source, EncoderOptions Options);
}
