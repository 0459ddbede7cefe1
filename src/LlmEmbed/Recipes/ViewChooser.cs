using System.Numerics.Tensors;
using LlmEmbed.Evaluation;
using LlmEmbed.Learning;
using LlmEmbed.Reading;

namespace LlmEmbed.Recipes;

/// <summary>What cross-validation found for one set of views.</summary>
/// <param name="Views">The views, in the order of the candidates.</param>
/// <param name="Score">Of a logistic regression on these views side by side, at the best penalty.</param>
/// <param name="Cost">The work for a text, for comparison with other sets: tokens × deepest block × hidden size², summed over backbones.</param>
/// <param name="RowLosses">[N], the calibrated log loss of each text while it was held out, averaged over repetitions.</param>
internal sealed record ViewSetScore(IReadOnlyList<ViewKey> Views, PenaltyScore Score, double Cost, double[] RowLosses)
{
    /// <summary>The mean of the log losses.</summary>
    public double Loss { get; } = RowLosses.Average();
}

/// <summary>The outcome of a choice of views.</summary>
/// <param name="Singles">Each candidate alone, in the order of the candidates.</param>
/// <param name="Sets">The sets that were compared, the cheapest first.</param>
/// <param name="Chosen">One of <paramref name="Sets"/>.</param>
/// <param name="Best">The one with the least loss.</param>
internal sealed record ViewChoice(
    IReadOnlyList<ViewSetScore> Singles, IReadOnlyList<ViewSetScore> Sets, ViewSetScore Chosen, ViewSetScore Best)
{
    /// <summary>All candidates below the cut depth, which are worth reading of further texts.</summary>
    public IReadOnlyList<ViewKey> Cut { get; init; } = [];

    /// <summary>
    /// The sets on which regressions are trained: the chosen one or, if there are too few texts to choose one, all that were compared, whose views
    /// together are those of <see cref="Chosen"/>.
    /// </summary>
    public IReadOnlyList<IReadOnlyList<ViewKey>> Learned { get; init; } = [Chosen.Views];
}

/// <summary>
/// Chooses views by the log loss of logistic regressions on texts that they have not seen, because log loss shows small differences that accuracy on
/// few texts cannot. (1) Each candidate is fitted alone. (2) For each depth at which a network could be cut a set grows: step by step by the
/// candidate whose out-of-fold predictions improve the average of the set's predictions the most. Averaging predictions costs nothing, so that all
/// candidates compete at each step. (3) These sets, and all candidates below each cut depth, are fitted as they will be used, the features of their
/// views side by side. (4) Among the sets that are not clearly worse than the best one the cheapest is chosen. Few texts cannot tell sets apart. Then
/// a few broad sets are all taken, and become members of a mixture.
/// </summary>
internal sealed class ViewChooser : IDisposable
{
    /// <summary>The most views of a set that grows.</summary>
    private const int LargestSet = 12;

    /// <summary>A backbone of fewer blocks than this is never cut: it costs little next to a decoder.</summary>
    public const int ShallowBlocks = 12;

    /// <summary>Up to so many rows cross-validation is repeated with other folds, because few rows make it noisy, and all sets are taken.</summary>
    private const int FewRows = 500;

    /// <summary>How often cross-validation is repeated with few rows.</summary>
    private const int Repetitions = 4;

    /// <summary>With more classes than this, whose regressions take long, fewer penalties and folds are tried.</summary>
    private const int ManyClasses = 10;

    /// <summary>
    /// No network is cut below this share of its blocks: more texts than the sample can use deeper and more views (accuracy on film reviews was half
    /// a point lower with a cut at 15 of 30 blocks than at 18).
    /// </summary>
    public const double ModestCut = 0.6;

    /// <summary>
    /// By how many standard errors of its loss a cheaper set may be worse than the best. Fewer if there are so many classes that no second look at
    /// more texts follows, which would make up for a bad choice.
    /// </summary>
    private double ToleratedErrors => SecondLook.TextsFor(_data.ClassCount) > _data.Rows ? 1 : 0.5;

    private readonly HeadTrainingData _data;
    private readonly LinearOptions _options;
    private readonly IProgress<WorkProgress>? _progress;
    private readonly CancellationToken _cancellationToken;
    private readonly int _repetitions;
    private readonly Func<string, double> _blockCost;
    private readonly RowSpace _rowSpace;

    private ViewChooser(
        HeadTrainingData data,
        Func<string, double> blockCost,
        LinearOptions options,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken)
    {
        (_data, _blockCost, _options, _progress, _cancellationToken) = (data, blockCost, options, progress, cancellationToken);
        _repetitions = data.Rows <= FewRows ? Repetitions : 1;
        _rowSpace = new RowSpace(data, options.Threads, cancellationToken);
    }

    public void Dispose() => _rowSpace.Dispose();

    /// <param name="data">The pooled states of every candidate, side by side.</param>
    /// <param name="presets">
    /// Sets of views that have proved themselves elsewhere, the default views first, each in the order of the candidates. They are compared with the
    /// sets that are found or, if there are few rows, all taken.
    /// </param>
    /// <param name="blockCost">What a block of a backbone of the layout costs for a text: its tokens × hidden size².</param>
    /// <param name="allowed">Whether a set may be chosen; the cheapest one may always.</param>
    /// <param name="options">How the regressions are fitted.</param>
    /// <param name="progress">Told about each regression.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>Null if there are too few texts to hold any out.</returns>
    public static ViewChoice? Choose(
        HeadTrainingData data,
        IReadOnlyList<IReadOnlyList<ViewKey>> presets,
        Func<string, double> blockCost,
        LinearOptions options,
        Func<ViewSetScore, bool>? allowed = null,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        if (!LinearHeadTrainer.CanHoldOut(data)) return null;
        using ViewChooser chooser = new(data, blockCost, options, progress, cancellationToken);
        return chooser.Choose(presets, allowed ?? (_ => true));
    }

    private ViewChoice Choose(IReadOnlyList<IReadOnlyList<ViewKey>> presets, Func<ViewSetScore, bool> allowed)
    {
        IReadOnlyList<ViewKey> candidates = _data.Layout.Keys;
        Dictionary<ViewKey, Scored> singles = [];
        foreach (ViewKey view in candidates)
        {
            _progress?.Report(new WorkProgress("Comparing views", singles.Count, candidates.Count, "views"));
            singles.Add(view, Score([view], repetitions: 1)); // with few rows these scores are only shown, and nothing is chosen by them
        }
        _progress?.Report(new WorkProgress("Comparing views", candidates.Count, candidates.Count, "views"));

        bool areFew = _data.Rows <= FewRows;
        IEnumerable<IReadOnlyList<ViewKey>> found = areFew ? [] : CutDepths().SelectMany(cut =>
        {
            IReadOnlyList<ViewKey> within = Within(cut);
            return Grow(singles, within).Append(within);
        });
        IReadOnlyList<ViewKey>[] distinct = [.. presets.Concat(found).Distinct(SameViews.Comparer)];
        List<ViewSetScore> scores = [];
        foreach (IReadOnlyList<ViewKey> set in distinct)
        {
            _progress?.Report(new WorkProgress("Comparing sets of views", scores.Count, distinct.Length, "sets"));
            scores.Add(set.Count == 1 && _repetitions == 1 ? singles[set[0]].Score : Score(set, _repetitions).Score);
        }
        _progress?.Report(new WorkProgress("Comparing sets of views", distinct.Length, distinct.Length, "sets"));

        ViewSetScore[] ordered = [.. scores.OrderBy(score => score.Cost).ThenBy(score => score.Loss)];
        ViewSetScore[] open = [.. ordered.Where(allowed)];
        if (open.Length == 0) open = ordered[..1];
        ViewSetScore best = open.MinBy(score => score.Loss)!;
        ViewSetScore[] alone = [.. candidates.Select(view => singles[view].Score)];
        ViewChoice choice = new(alone, ordered, open.First(score => IsClose(score, best)), best) { Cut = CutFor(open, best) };
        return areFew ? TakeAll(choice, open) : choice;
    }

    /// <summary>
    /// The candidates below a cut depth: the first from <see cref="ModestCut"/> on below which there is a set that is not clearly worse than the best
    /// one.
    /// </summary>
    private IReadOnlyList<ViewKey> CutFor(ViewSetScore[] sets, ViewSetScore best)
    {
        foreach (double cut in CutDepths().Where(cut => cut >= ModestCut))
        {
            IReadOnlyList<ViewKey> within = Within(cut);
            if (sets.Any(set => set.Views.All(within.Contains) && IsClose(set, best))) return within;
        }
        return _data.Layout.Keys;
    }

    /// <summary>Whether a set is not clearly worse than the best one. The best one itself is not.</summary>
    private bool IsClose(ViewSetScore score, ViewSetScore best)
    {
        (double mean, double error) = PairedLosses.Excess(score.RowLosses, best.RowLosses);
        return mean <= ToleratedErrors * error;
    }

    /// <summary>The choice of all sets, whose views are read together.</summary>
    private ViewChoice TakeAll(ViewChoice choice, ViewSetScore[] sets)
    {
        IReadOnlyList<ViewKey> union = InOrder([.. sets.SelectMany(set => set.Views)]);
        ViewSetScore together = sets.FirstOrDefault(set => set.Views.SequenceEqual(union)) ?? Score(union, _repetitions).Score;
        return choice with { Chosen = together, Learned = [.. sets.Select(set => set.Views)] };
    }

    /// <summary>The depths at which a deep backbone could be cut, as shares of its blocks.</summary>
    private static IEnumerable<double> CutDepths() => [0.5, 0.6, 0.7, 0.8, 1.0];

    /// <summary>The candidates that a cut at a share of the blocks leaves, in their order.</summary>
    private IReadOnlyList<ViewKey> Within(double cut) => [.. _data.Layout.Keys.Where(view =>
    {
        int deepest = _data.Layout.Keys.Where(other => other.Backbone == view.Backbone).Max(other => other.Depth);
        return deepest < ShallowBlocks || view.Depth <= Math.Round(cut * deepest, MidpointRounding.AwayFromZero);
    })];

    /// <summary>Some of the candidates, each once, in the order of all candidates.</summary>
    private IReadOnlyList<ViewKey> InOrder(HashSet<ViewKey> views) => [.. _data.Layout.Keys.Where(views.Contains)];

    /// <summary>
    /// A set that grows by the view that lowers the loss of the averaged predictions the most. Some of its sizes on the way are worth fitting.
    /// </summary>
    private IEnumerable<IReadOnlyList<ViewKey>> Grow(Dictionary<ViewKey, Scored> singles, IReadOnlyList<ViewKey> candidates)
    {
        List<ViewKey> set = [];
        double[] sum = new double[_data.Rows * _data.ClassCount];
        double[] trial = new double[sum.Length];
        List<double> losses = [];
        while (set.Count < Math.Min(LargestSet, candidates.Count))
        {
            _cancellationToken.ThrowIfCancellationRequested();
            (ViewKey next, double loss) = candidates.Except(set).Select(view => (view, LossWith(view))).MinBy(pair => pair.Item2);
            set.Add(next);
            losses.Add(loss);
            TensorPrimitives.Add(sum, singles[next].Logits, sum);
        }
        int best = losses.IndexOf(losses.Min()) + 1;
        return new[] { 1, 2, 3, 5, 8, best, set.Count }.Where(size => size <= set.Count).Distinct().Select(size => InOrder([.. set.Take(size)]));

        double LossWith(ViewKey view)
        {
            TensorPrimitives.Add(sum, singles[view].Logits, trial);
            return TemperatureScaling.NegativeLogLikelihoods(trial, _data.Labels, set.Count + 1).Average();
        }
    }

    /// <summary>Cross-validates a logistic regression on a set of views, as often as asked, each time with other folds.</summary>
    private Scored Score(IReadOnlyList<ViewKey> views, int repetitions)
    {
        int features = _data.Layout.ColumnsOf(views).Sum(view => view.Size);
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
            LinearOptions ofRepetition = options with { Seed = options.Seed + (ulong)repetition };
            CrossValidation validation = LinearHeadTrainer.CrossValidate(part, ofRepetition, _cancellationToken)!;
            double temperature = validation.Chosen.Temperature;
            double[] own = TemperatureScaling.NegativeLogLikelihoods(validation.Logits, _data.Labels, temperature);
            TensorPrimitives.MultiplyAdd(validation.Logits, 1 / (temperature * repetitions), logits, logits);
            TensorPrimitives.MultiplyAdd(own, 1.0 / repetitions, losses, losses);
            score ??= validation.Chosen;
        }
        return new Scored(new ViewSetScore(views, score!, CostOf(views), losses), logits);
    }

    private double CostOf(IReadOnlyList<ViewKey> views) =>
        views.GroupBy(view => view.Backbone).Sum(backbone => _blockCost(backbone.Key) * backbone.Max(view => view.Depth));

    /// <param name="Score">What is reported.</param>
    /// <param name="Logits">[N,C], out of fold and calibrated.</param>
    private sealed record Scored(ViewSetScore Score, double[] Logits);
}
