using System.Diagnostics;
using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Models;
using LlmEmbed.Reading;
using LlmEmbed.Tokenization;

namespace LlmEmbed.Recipes;

/// <summary>
/// The recipe that finds out what works. A sample is read at many candidate views, a few views are chosen on it, the networks are cut above the
/// deepest of them, and the rest of the texts is read with what is left. Views below the cut depth cost nothing more to read, and many texts can use
/// more views than few: with many texts all of them are read, and a second look at more texts than the sample decides which ones stay.
/// </summary>
internal sealed class AutomaticTraining(
    Recipe.Automatic recipe,
    IReadOnlyList<string> classes,
    OpenBackbones backbones,
    int seed,
    IProgress<WorkProgress>? progress,
    CancellationToken cancellationToken)
    : RecipeTraining(backbones, seed, progress, cancellationToken)
{
    /// <summary>
    /// Texts on which views are compared. More would cost more than the cut saves on ordinary data, and would separate views by less than matters.
    /// </summary>
    private const int DefaultSampleTexts = 1500;

    private readonly string? _prompt = Fill(recipe.Prompt, classes);

    /// <summary>Texts of the sample if it is all that the choice looks at; the bounds of smaller samples follow from it.</summary>
    public int SampleTexts { get; init; } = DefaultSampleTexts;

    public override int[] AffordableRows(IReadOnlyList<LabeledText> examples, IReadOnlyList<string> classes) => recipe.Budget is { } budget
        ? TimeBudget.RowsWithin(budget, examples, classes, Candidates(), Runtime, Seed, CancellationToken)
        : base.AffordableRows(examples, classes);

    /// <summary>Reads the sample at every candidate view and chooses.</summary>
    public override ReadingPlan PlanReading(TrainingTexts texts)
    {
        (int sampleTexts, bool looksTwice) = SampleSize(texts.Kept.Length, texts.ClassCount);
        int[] sample =
        [
            .. StratifiedSplit.Sample([.. texts.Kept.Select(row => texts.Labels[row])], sampleTexts, (ulong)Seed).Select(index => texts.Kept[index]),
        ];
        using FeatureReader candidates = OpenCandidates();
        TrainingTexts part = texts.Select(sample);
        IReadOnlyList<TokenStates> tokens = AllocateTokens(candidates, texts.Texts);
        FeatureLayout layout = candidates.Layout;
        ArrayFeatures features = new(new float[checked(sample.Length * layout.FeatureCount)], sample.Length, layout.FeatureCount);
        EncodingStatistics[] read = candidates.Read(
            part.Texts, features.RowTarget, Progress, CancellationToken, backbone => tokens.RowsOf(backbone.Name, sample));
        long start = Stopwatch.GetTimestamp();
        HeadTrainingData data = HeadTrainingData.Of(part, features, layout);
        Dictionary<string, double> blockCosts = candidates.Backbones.ToDictionary(
            backbone => backbone.Name, backbone => backbone.TokensPerText(part.Texts) * backbone.HiddenSize * backbone.HiddenSize);
        IReadOnlyList<ViewKey>[] presets = Presets(candidates.Backbones);
        ViewChoice? choice = ViewChooser.Choose(
            data,
            presets,
            backbone => blockCosts[backbone],
            LinearOptions.Of(PlanOf(recipe.Head)),
            Allowed(candidates, read, texts.Texts.Length - sample.Length),
            Progress,
            CancellationToken);
        SelectionSummary summary = new(
            layout,
            choice,
            sample.Length,
            [.. candidates.Backbones.Zip(read, (backbone, statistics) => (backbone.Name, statistics.AtRows(sample)))],
            Stopwatch.GetElapsedTime(start))
        { LooksTwice = looksTwice && choice is not null };
        IReadOnlyList<ViewKey> chosen = choice is null ? presets[0] : looksTwice ? choice.Cut : choice.Chosen.Views;
        (int Candidate, BackbonePlan Plan)[] kept = [.. PlansFor(candidates, chosen)];
        return new ReadingPlan([.. kept.Select(part => (candidates.Backbones[part.Candidate].Backbone, part.Plan))])
        {
            Sample = new SampleStates(
                sample, data.SelectViews(chosen).Features, [.. kept.Select(part => summary.Encoding[part.Candidate].Statistics)], tokens),
            Selection = summary,
        };
    }

    /// <summary>
    /// How many texts the sample has, and whether more of them are looked at again. The second look settles the set, so that the sample shows only
    /// how deep to read.
    /// </summary>
    public (int SampleTexts, bool LooksTwice) SampleSize(int texts, int classCount) => Math.Min(texts, SecondLook.TextsFor(classCount)) > SampleTexts
        ? (Math.Clamp(texts / 10, SampleTexts / 2, SampleTexts * 2 / 3), true)
        : (SampleTexts, false);

    /// <summary>
    /// Sets that have proved themselves on some data: the default views, which suit sentiment; the mean of each last depth, which suits topics; what
    /// the authors of repositories mean, if they say it; and everything.
    /// </summary>
    public static IReadOnlyList<ViewKey>[] Presets(IReadOnlyList<BackboneReader> backbones)
    {
        ViewKey[] Where(Func<Backbone, View, bool> wanted) =>
            [
                .. backbones.SelectMany(
                    backbone => backbone.Plan.Views.Where(view => wanted(backbone.Backbone.Model, view))
                        .Select(view => new ViewKey(backbone.Name, view))),
            ];
        ViewKey[] sentences = Where((_, view) => view.Pooling == Pooling.Sentence);
        return
        [
            Where((model, view) => ViewSelection.Default.Resolve(model.IsCausal, model.BlockCount).Contains(view)),
            Where((model, view) => view.Depth == model.BlockCount && view.Pooling is not (Pooling.Last or Pooling.Sentence)),
            .. sentences.Length > 0 ? new[] { sentences } : [],
            Where((_, _) => true),
        ];
    }

    /// <summary>Keeps the set of the views that were read which serves more texts than the sample best.</summary>
    protected override Features Settle(TrainingTexts texts, Features features)
    {
        if (features.Selection is not { LooksTwice: true } selection) return features;
        SecondLook look = SecondLook.Take(
            features.With(texts), selection.Choice!, texts.Kept, LinearOptions.Of(PlanOf(recipe.Head)), Progress, CancellationToken);
        features = features with { Selection = selection with { SecondLook = look } };
        return look.Chosen.Views.Count == features.Reader.Layout.Views.Count ? features : features.Narrow(look.Chosen.Views, Runtime);
    }

    protected override LearningPlan PlanLearning(Features features) => PlanOf(recipe.Head) with
    {
        ViewSets = features.Selection is { SecondLook: null, Choice: { } choice } ? choice.Learned : null,
        LikelyC = features.Selection?.SecondLook?.Chosen.Score.C,
    };

    protected override UnlabelledTexts? ReadUnlabelled(Features features) => recipe.Unlabelled.Count == 0 ? null
        : UnlabelledReading.Read(recipe.Unlabelled, TokenizersOf(recipe), features.Reader, (ulong)Seed, Progress, CancellationToken);

    private bool LearnsPooling => recipe is { UseAttention: true, Budget: null, Head: HeadOptions.Automatic };

    /// <summary>Room for the tokens at the depths at which a query may be learned, as far as they fit.</summary>
    private IReadOnlyList<TokenStates> AllocateTokens(FeatureReader candidates, string[] texts) => LearnsPooling
        ? AttentionDepths.Allocate(
            [.. candidates.Backbones.Where(backbone => !backbone.IsPrompted && !backbone.MemoryPlan.IsStreamed)],
            texts,
            FeatureStorage.Of(Runtime).MemoryBytes,
            mayBeCut: texts.Length > SampleTexts)
        : [];

    /// <summary>The candidate views of every backbone without a template, and what its authors mean if they say it.</summary>
    private IEnumerable<(OpenBackbone Backbone, BackbonePlan Plan)> Candidates()
    {
        RequireDistinct(recipe.Backbones);
        OpenBackbone[] open = [.. recipe.Backbones.Select(name => Backbones.Open(name, Work))];
        if (recipe.PromptName is string name && open.All(backbone => backbone.DeclaredSentence is null))
            throw new LlmEmbedException(
                $"The prompt '{name}' is one of a sentence-transformers repository, and none of the backbones is one. Leave --prompt-name out.");
        return open.SelectMany(CandidatesOf);
    }

    private IEnumerable<(OpenBackbone Backbone, BackbonePlan Plan)> CandidatesOf(OpenBackbone backbone)
    {
        BackbonePlan plain = PlanOf(backbone, backbone.LineBreakPrompt, recipe.Precision);
        if (backbone.DeclaredSentence is not View sentence) return [(backbone, plain)];
        BackbonePlan own = BackbonePlan.ForTraining(backbone, new EncoderOptions
        {
            Views = ViewSelection.Of(sentence),
            Prompt = _prompt is not null && PromptTemplate.IsTemplate(_prompt) ? null : _prompt,
            PromptName = recipe.PromptName,
            MaxTokens = recipe.MaxTokens ?? BackbonePlan.MaxTokensBeside(backbone.Sentence),
            Precision = recipe.Precision,
        });
        // Without a prompt the vector comes out of the pass that the depths need anyway.
        return own.Prompt is null && plain.Prompt is null
            ? [(backbone, plain with { Views = [.. plain.Views, sentence], MaxTokens = own.MaxTokens })]
            : [(backbone, plain), (backbone, own with { Prompt = own.Prompt ?? "" })];
    }

    /// <summary>Every backbone as it is and, if there is a prompt, every decoder with it: the two compete, alone and together.</summary>
    private FeatureReader OpenCandidates()
    {
        List<BackboneReader> candidates = [];
        return Disposal.OnFailure(candidates, () =>
        {
            foreach ((OpenBackbone backbone, BackbonePlan plan) in Candidates())
            {
                BackboneReader plain = new(backbone, plan, Runtime, Work);
                candidates.Add(plain);
                if (IsTriedWith(backbone, plan))
                    candidates.Add(new BackboneReader(backbone, PlanOf(backbone, _prompt, plain.Plan.Precision), Runtime, Work));
            }
            if (_prompt is { Length: > 0 } && candidates.TrueForAll(candidate => candidate.Plan.Prompt != _prompt))
                throw new LlmEmbedException(
                    "A prompt is tried with decoders, and none of the backbones is one. Add a decoder, give depths (--depths) to use the prompt as " +
                    "it is, or leave it out.");
            return new FeatureReader(candidates);
        });
    }

    /// <summary>
    /// Whether the views of depths are tried with the prompt too. One that stands before the text belongs to the authors' view, if there is one.
    /// </summary>
    private bool IsTriedWith(OpenBackbone backbone, BackbonePlan plan) => _prompt is { Length: > 0 } prompt && prompt != plan.Prompt
        && backbone.Model.IsCausal && plan.Views[0].Pooling != Pooling.Sentence
        && (PromptTemplate.IsTemplate(prompt) || backbone.DeclaredSentence is null);

    private BackbonePlan PlanOf(OpenBackbone backbone, string? prompt, Precision precision) => BackbonePlan.ForTraining(backbone, new EncoderOptions
    {
        Views = ViewSelection.Of(CandidateViews.Of(backbone.Model.IsCausal, backbone.Model.BlockCount)),
        Prompt = prompt,
        MaxTokens = recipe.MaxTokens,
        Precision = precision,
    });

    /// <summary>
    /// The candidates of which a view is in a set, each with its views of the set. The precision is the sample's, since both go into one matrix.
    /// </summary>
    private static IEnumerable<(int Candidate, BackbonePlan Plan)> PlansFor(FeatureReader candidates, IReadOnlyList<ViewKey> set)
    {
        foreach ((int index, BackboneReader candidate) in candidates.Backbones.Index())
        {
            View[] views = [.. candidate.Plan.Views.Where(view => set.Contains(new ViewKey(candidate.Name, view)))];
            if (views.Length > 0) yield return (index, candidate.Plan with { Views = views });
        }
    }

    /// <summary>
    /// Within a budget of time a set may only be chosen if the rest of the texts can be read at it; how long that takes follows from the sample.
    /// </summary>
    private Func<ViewSetScore, bool>? Allowed(FeatureReader candidates, EncodingStatistics[] read, int remainingTexts)
    {
        if (recipe.Budget is not { } budget) return null;
        Dictionary<string, double> secondsPerBlock = candidates.Backbones.Zip(read).ToDictionary(
            pair => pair.First.Name,
            pair => pair.Second.Elapsed.TotalSeconds / Math.Max(1, pair.Second.Texts) / pair.First.Plan.Depth);
        double left = budget.TotalSeconds * TimeBudget.ReadingShare - read.Sum(part => part.Elapsed.TotalSeconds);
        return set => remainingTexts * set.Views.GroupBy(view => view.Backbone)
            .Sum(backbone => secondsPerBlock[backbone.Key] * backbone.Max(view => view.Depth)) <= left;
    }
}
