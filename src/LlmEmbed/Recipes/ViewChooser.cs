using System.Numerics.Tensors;
using LlmEmbed.Evaluation;
using LlmEmbed.Learning;
using LlmEmbed.Reading;

namespace LlmEmbed.Recipes;

/// <summary>What cross-validation found for one set of views.</summary>
/// <param name="Views">Indexes into the candidates, ascending.</param>
/// <param name="Score">Of a logistic regression on these views side by side, at the best penalty.</param>
/// <param name="Cost">Work per token: deepest block × hidden size², summed over backbones.</param>
/// <param name="RowLosses">[N], the calibrated log loss of each text while it was held out, averaged over repetitions.</param>
internal sealed record ViewSetScore(IReadOnlyList<int> Views, PenaltyScore Score, double Cost, double[] RowLosses)
{
    public double Loss { get; } = RowLosses.Average();
}

/// <summary>The outcome of a choice of views.</summary>
/// <param name="Singles">Each candidate alone, in the order of the candidates.</param>
/// <param name="Sets">The sets that were compared, the cheapest first.</param>
/// <param name="Chosen">One of <paramref name="Sets"/>.</param>
/// <param name="Best">The one with the least loss.</param>
internal sealed record ViewChoice(IReadOnlyList<ViewSetScore> Singles, IReadOnlyList<ViewSetScore> Sets, ViewSetScore Chosen, ViewSetScore Best)
{
    /// <summary>All views that are worth reading of further texts: everything below the cut.</summary>
    public IReadOnlyList<int> Cut { get; init; } = [];

    /// <summary>Where texts are too few to choose one set: the sets whose regressions are averaged. Together they are the views of <see cref="Chosen"/>.</summary>
    public IReadOnlyList<WeightedViews>? Mixture { get; init; }
}

/// <summary>A set of views and the share of its regression in an average.</summary>
internal sealed record WeightedViews(IReadOnlyList<int> Views, double Weight);

/// <summary>
/// Chooses views by the log loss of logistic regressions on texts they have not seen, which sees small differences that accuracy on few texts cannot.
/// (1) Each candidate alone. (2) For each depth that the graph could be cut at, a set grows greedily by the candidate whose out-of-fold predictions
/// complement the set's the most; averaging predictions costs nothing, so all candidates compete at each step. (3) The sets, and all views up to each
/// cut, are compared as they will be used, fused and fitted together. (4) Among those that are not clearly worse than the best the cheapest wins.
/// Few texts cannot tell sets apart: there the predictions of a few broad sets are averaged, each weighted by what speaks for it.
/// </summary>
internal sealed class ViewChooser : IDisposable
{
    private const int LargestSet = 12;

    private const int ShallowBlocks = 12;

    /// <summary>Rows up to which cross-validation is repeated with other folds, as few rows make it noisy, and sets are averaged.</summary>
    private const int FewRows = 500;

    private const int Repetitions = 4;

    /// <summary>Above so many classes, whose regressions take long, penalties and folds are coarser.</summary>
    private const int ManyClasses = 10;

    /// <summary>A set with less than this share of an average is not worth reading its views.</summary>
    private const double LeastWeight = 0.1;

    /// <summary>What the default views weigh against each other set before the texts have their say.</summary>
    private const double DefaultsPrior = 3;

    /// <summary>
    /// The share of the blocks below which a cut saves nothing: more texts than the sample can use deeper and more views (film reviews lost half a point at
    /// 15 instead of 18 of 30 blocks).
    /// </summary>
    private const double ModestCut = 0.6;

    /// <summary>Standard errors of loss that a cheaper set may cost; fewer with so many classes that no second look at more texts makes up for it.</summary>
    private double ToleratedErrors => SecondLook.TextsFor(_data.ClassCount) > _data.Rows ? 1 : 0.5;

    private readonly HeadTrainingData _data;
    private readonly LinearOptions _options;
    private readonly IProgress<WorkProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private readonly int _repetitions;
    private readonly Func<string, double> _tokens;
    private readonly RowSpace _rowSpace;

    private ViewChooser(HeadTrainingData data, Func<string, double> tokens, LinearOptions options, IProgress<WorkProgress>? progress, CancellationToken cancellation)
    {
        (_data, _tokens, _options, _progress, _cancellation) = (data, tokens, options, progress, cancellation);
        _repetitions = data.Rows <= FewRows ? Repetitions : 1;
        _rowSpace = new RowSpace(data, options.Threads, cancellation);
    }

    public void Dispose() => _rowSpace.Dispose();

    /// <param name="data">Every candidate's pooled states, fused.</param>
    /// <param name="presets">Sets of views that have proved themselves elsewhere, the default ones first. They are compared with those that are found, or averaged where there are few rows.</param>
    /// <param name="tokens">How many tokens of a text a backbone of the layout reads, relative to the others.</param>
    /// <param name="allowed">Whether a set may be chosen; the cheapest one may always.</param>
    /// <param name="options">How the regressions are fitted.</param>
    /// <param name="progress">Told about each regression.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <returns>Null where there are too few texts to hold any out.</returns>
    public static ViewChoice? Choose(
        HeadTrainingData data,
        IReadOnlyList<int[]> presets,
        Func<string, double> tokens,
        LinearOptions options,
        Func<ViewSetScore, bool>? allowed = null,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        if (!LinearHeadTrainer.CanHoldOut(data)) return null;
        using ViewChooser chooser = new(data, tokens, options, progress, cancellation);
        return chooser.Choose(presets, allowed ?? (_ => true));
    }

    private ViewChoice Choose(IReadOnlyList<int[]> presets, Func<ViewSetScore, bool> allowed)
    {
        int[] candidates = [.. Enumerable.Range(0, _data.Layout.Views.Count)];
        List<Scored> singles = [];
        foreach (int view in candidates)
        {
            _progress?.Report(new WorkProgress("Comparing views", singles.Count, candidates.Length, "views"));
            singles.Add(Score([view], repetitions: 1)); // where rows are few these are only told, not chosen by
        }
        _progress?.Report(new WorkProgress("Comparing views", candidates.Length, candidates.Length, "views"));

        bool areFew = _data.Rows <= FewRows;
        IEnumerable<int[]> found = areFew ? [] : CutDepths().SelectMany(cut =>
        {
            int[] within = [.. candidates.Where(view => IsWithin(view, cut))];
            return Grow(singles, within).Append(within);
        });
        int[][] distinct = [.. presets.Concat(found).DistinctBy(set => string.Join(',', set))];
        List<ViewSetScore> scores = [];
        foreach (int[] set in distinct)
        {
            _progress?.Report(new WorkProgress("Comparing sets of views", scores.Count, distinct.Length, "sets"));
            scores.Add(set is [int single] && _repetitions == 1 ? singles[single].Score : Score(set, _repetitions).Score);
        }
        _progress?.Report(new WorkProgress("Comparing sets of views", distinct.Length, distinct.Length, "sets"));

        ViewSetScore[] ordered = [.. scores.OrderBy(score => score.Cost).ThenBy(score => score.Loss)];
        ViewSetScore[] open = [.. ordered.Where(allowed)];
        if (open.Length == 0) open = ordered[..1];
        ViewSetScore best = open.MinBy(score => score.Loss)!;
        ViewChoice choice = new([.. singles.Select(single => single.Score)], ordered, open.First(score => IsClose(score, best)), best) { Cut = CutFor(open, best, candidates) };
        return areFew ? Average(choice, open, presets[0]) : choice;
    }

    /// <summary>The candidates within the modest cut, or within the first deeper one below which a set is not clearly worse than the best.</summary>
    private int[] CutFor(ViewSetScore[] sets, ViewSetScore best, int[] candidates)
    {
        foreach (double cut in CutDepths().Where(cut => cut >= ModestCut))
        {
            int[] within = [.. candidates.Where(view => IsWithin(view, cut))];
            if (sets.Any(set => set.Views.All(within.Contains) && IsClose(set, best))) return within;
        }
        return candidates;
    }

    /// <summary>Whether a set is not clearly worse than the best, which the best itself never is.</summary>
    private bool IsClose(ViewSetScore score, ViewSetScore best)
    {
        (double mean, double error) = PairedLosses.Excess(score.RowLosses, best.RowLosses);
        return mean <= ToleratedErrors * error;
    }

    private ViewChoice Average(ViewChoice choice, ViewSetScore[] sets, int[] defaults)
    {
        double[] weights = PseudoBayesianAverage.Weights([.. sets.Select(set => set.RowLosses)], [.. sets.Select(set => set.Views.SequenceEqual(defaults) ? DefaultsPrior : 1)], _options.Seed);
        (ViewSetScore Set, double Weight)[] kept = [.. sets.Zip(weights).Where(pair => pair.Second >= Math.Min(LeastWeight, weights.Max()))];
        if (kept is [var only]) return choice with { Chosen = only.Set };
        int[] union = [.. kept.SelectMany(pair => pair.Set.Views).Distinct().Order()];
        double total = kept.Sum(pair => pair.Weight);
        ViewSetScore chosen = sets.FirstOrDefault(set => set.Views.SequenceEqual(union)) ?? Score(union, _repetitions).Score;
        return choice with { Chosen = chosen, Mixture = [.. kept.Select(pair => new WeightedViews([.. pair.Set.Views.Select(view => Array.IndexOf(union, view))], pair.Weight / total))] };
    }

    /// <summary>Where a deep backbone could be cut, as shares of its blocks.</summary>
    private static IEnumerable<double> CutDepths() => [0.5, 0.6, 0.7, 0.8, 1.0];

    private bool IsWithin(int view, double cut)
    {
        FeatureView candidate = _data.Layout.Views[view];
        int deepest = _data.Layout.Views.Where(other => other.Backbone == candidate.Backbone).Max(other => other.Depth);
        // Shallow encoders cost little beside a decoder.
        return deepest < ShallowBlocks || candidate.Depth <= Math.Round(cut * deepest, MidpointRounding.AwayFromZero);
    }

    /// <summary>A set that grows by the view that lowers the loss of the averaged predictions the most; some of its sizes are worth fitting.</summary>
    private IEnumerable<int[]> Grow(List<Scored> singles, int[] candidates)
    {
        List<int> set = [];
        double[] sum = new double[_data.Rows * _data.ClassCount];
        double[] trial = new double[sum.Length];
        List<double> losses = [];
        while (set.Count < Math.Min(LargestSet, candidates.Length))
        {
            _cancellation.ThrowIfCancellationRequested();
            (int next, double loss) = candidates.Except(set).Select(view => (view, LossWith(view))).MinBy(pair => pair.Item2);
            set.Add(next);
            losses.Add(loss);
            TensorPrimitives.Add(sum, singles[next].Logits, sum);
        }
        int best = losses.IndexOf(losses.Min()) + 1;
        return new[] { 1, 2, 3, 5, 8, best, set.Count }.Where(size => size <= set.Count).Distinct().Select(size => set.Take(size).Order().ToArray());

        double LossWith(int view)
        {
            TensorPrimitives.Add(sum, singles[view].Logits, trial);
            return TemperatureScaling.NegativeLogLikelihoods(trial, _data.Labels, set.Count + 1).Average();
        }
    }

    private Scored Score(int[] views, int repetitions)
    {
        int features = views.Sum(view => _data.Layout.Views[view].Size);
        IReadOnlyList<double> penalties = LinearHeadTrainer.DefaultPenalties(features, _data.Rows);
        LinearOptions options = _options with { MaxCrossValidationRows = int.MaxValue, Penalties = penalties };
        if (_data.ClassCount > ManyClasses) options = options with { Folds = 3, Penalties = [.. penalties.Where((_, step) => step % 2 == 0)] };
        bool isWide = features > _data.Rows;
        HeadTrainingData part = isWide ? _rowSpace.Of(views) : _data.SelectViews(views);
        if (isWide) options = options with { Standardization = Standardization.None(_data.Rows) };
        double[] losses = new double[_data.Rows], logits = new double[_data.Rows * _data.ClassCount];
        PenaltyScore? score = null;
        for (int repetition = 0; repetition < repetitions; repetition++)
        {
            CrossValidation validation = LinearHeadTrainer.CrossValidate(part, options with { Seed = options.Seed + (ulong)repetition }, _cancellation)!;
            double temperature = validation.Chosen.Temperature;
            TensorPrimitives.MultiplyAdd(validation.Logits, 1 / (temperature * repetitions), logits, logits);
            TensorPrimitives.MultiplyAdd(TemperatureScaling.NegativeLogLikelihoods(validation.Logits, _data.Labels, temperature), 1.0 / repetitions, losses, losses);
            score ??= validation.Chosen;
        }
        return new Scored(new ViewSetScore(views, score!, CostOf(views), losses), logits);
    }

    private double CostOf(int[] views) => views.Select(view => _data.Layout.Views[view]).GroupBy(view => view.Backbone)
        .Sum(backbone => _tokens(backbone.Key) * backbone.Max(view => view.Depth) * backbone.First().Size * backbone.First().Size);

    /// <param name="Score">What is reported.</param>
    /// <param name="Logits">[N,C], out of fold and calibrated.</param>
    private sealed record Scored(ViewSetScore Score, double[] Logits);
}
