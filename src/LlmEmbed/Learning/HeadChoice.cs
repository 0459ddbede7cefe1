namespace LlmEmbed.Learning;

/// <summary>
/// The automatic choice: the average of regressions or the best kind of head, with everything that unseen texts are the better for added to it.
/// </summary>
internal static class HeadChoice
{
    /// <summary>
    /// Networks are tried from the first number of rows to the second: fewer rows do not fill them, and with more they take longer than reading the
    /// texts.
    /// </summary>
    private const int LeastNetworkRows = 1000, MostNetworkRows = 20_000;

    /// <summary>The kinds that are compared with logistic regression, in this order.</summary>
    private static readonly Rival[] Rivals =
    [
        new(new HeadOptions.NearestMean()),
        new(new HeadOptions.Perceptron(), IsNetwork: true),
        // A network gains nothing from inner products of views if nothing gains on logistic regression without them.
        new(new HeadOptions.Cooccurrence(), IsNetwork: true, OnlyAfterGain: true),
    ];

    public static TrainedHead Train(HeadTrainingData data, LearningPlan plan, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        TrainedHead head = plan.Mixture is { } parts
            ? LinearMixture.Train(data, parts, plan, progress, cancellationToken)
            : ChooseKind(data, plan, progress, cancellationToken);
        return Addition.AddAll(head, data, plan, progress, cancellationToken);
    }

    /// <summary>
    /// The linear head, unless another kind is clearly better: by more than two standard errors of the log loss on rows that neither was fitted to. A
    /// network was stopped by the loss on these rows, which flatters it.
    /// </summary>
    private static TrainedHead ChooseKind(
        HeadTrainingData data, LearningPlan plan, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        TrainedHead linear = LogisticRegression.Train(data, plan, progress, cancellationToken);
        if (linear.CrossValidation is not { } validation) return linear;
        Dictionary<int, double> losses = validation.Rows.Zip(validation.RowLosses(data.Labels)).ToDictionary(pair => pair.First, pair => pair.Second);
        bool triesNetworks = plan.TriesNetworks && data.Rows is >= LeastNetworkRows and <= MostNetworkRows;
        (TrainedHead Head, double Gain) best = (linear, 0);
        List<ComparedHead> compared = [];
        foreach (Rival rival in Rivals.Where(rival => triesNetworks || !rival.IsNetwork))
        {
            if (rival.OnlyAfterGain && best.Head == linear) continue;
            HeadOptions options = rival.Options with { ClassWeighting = plan.Head.ClassWeighting };
            TrainedHead other = HeadTrainer.Train(data, plan with { Head = options }, progress, cancellationToken);
            (double excess, double error) = ExcessOver(losses, other.CrossValidation!, data.Labels);
            compared.Add(new ComparedHead(HeadTrainer.KindOf(options).Name, excess, error));
            bool isBetter = excess < -2 * error && -excess > best.Gain;
            (isBetter ? best.Head : other).Head.Dispose();
            if (isBetter) best = (other, -excess);
        }
        return best.Head with { Decisions = best.Head.Decisions with { ComparedHeads = compared } };
    }

    /// <summary>Mean and standard error of the excess of a head's log loss, on the rows that both validations held out.</summary>
    private static (double Mean, double StandardError) ExcessOver(Dictionary<int, double> losses, CrossValidation other, int[] labels)
    {
        (double Own, double Linear)[] both =
        [
            .. other.Rows.Zip(other.RowLosses(labels)).Where(row => losses.ContainsKey(row.First)).Select(row => (row.Second, losses[row.First])),
        ];
        return PairedLosses.Excess([.. both.Select(loss => loss.Own)], [.. both.Select(loss => loss.Linear)]);
    }

    /// <param name="Options">Which kind it is.</param>
    /// <param name="IsNetwork">Whether it is slow and needs many rows.</param>
    /// <param name="OnlyAfterGain">Whether it is tried only if a kind before it was better than logistic regression.</param>
    private sealed record Rival(HeadOptions Options, bool IsNetwork = false, bool OnlyAfterGain = false);
}
