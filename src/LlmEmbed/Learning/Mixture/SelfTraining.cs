using LlmEmbed.Evaluation;

namespace LlmEmbed.Learning;

/// <summary>
/// Learns from texts without labels. Those that the regressions are surest of are taken for examples of the classes that these predict, and the
/// regressions are trained again. The fit that does not see a fold learns from predictions of fits that did not see it either, so that what it
/// predicts for the fold still shows how good it is on texts that it had not seen. Attention pooling takes no part: it would have to read the tokens
/// of all unlabelled texts and be trained again on many times as many texts, for little more.
/// </summary>
internal static class SelfTraining
{
    public const string Stage = "Learning from unlabelled texts";

    /// <summary>With more texts that have labels, unlabelled ones are not asked: the labels say more.</summary>
    public const int MostTexts = 500;

    /// <summary>
    /// The share of the texts predicted to be of a class that is taken, the surest ones. So the classes keep their shares among the unlabelled texts;
    /// as many of each class would fill rare classes with texts of others.
    /// </summary>
    private const double TakenShare = 0.3;

    /// <summary>Trains again with unlabelled texts, and keeps that unless it is worse on held-out texts by more than a standard error.</summary>
    /// <param name="task">With unlabelled texts.</param>
    /// <param name="mixture">What was learned without them.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    public static (MixtureTask Task, Mixture Mixture, SelfTrainingDecision Decision) Try(
        MixtureTask task, Mixture mixture, CancellationToken cancellationToken)
    {
        ILookup<bool, Expert> experts = mixture.Tried.Select(member => member.Expert).ToLookup(expert => expert.UnlabelledLogits is not null);
        HeadTrainingData extended = Extend(task, [.. experts[true]], cancellationToken);
        LearningPlan plan = task.Plan with { Head = task.Plan.Head with { ClassWeighting = task.Weighting } };
        TrainedHead first = MixtureTrainer.First(extended, plan, progress: null, cancellationToken);
        MixtureTask again = new(extended, plan, first, first.CrossValidation!);
        string[] kinds = [.. experts[true].Select(expert => expert.Facts.Kind)];
        Mixture mixed = Mixture.Of(
            again,
            [
                .. ExpertKind.All.Where(kind => kinds.Contains(kind.Name)).SelectMany(kind => kind.Train(again, cancellationToken)),
                .. experts[false],
            ],
            cancellationToken);
        (double excess, double error) = PairedLosses.Excess(
            mixed.Validation.RowLosses(task.Data.Labels), mixture.Validation.RowLosses(task.Data.Labels));
        bool isKept = excess <= error;
        SelfTrainingDecision decision = new(
            task.Data.Unlabelled!.Given,
            task.Data.Unlabelled.Texts.Count,
            extended.LabelsFor(fold: null).Count(label => label >= 0) - task.Data.Rows,
            isKept,
            mixture.Validation.Chosen.CalibratedLogLoss,
            mixed.Validation.Chosen.CalibratedLogLoss);
        return isKept ? (again, mixed, decision) : (task, mixture, decision);
    }

    /// <summary>The labelled texts and, behind them, those of the unlabelled ones that some fit is sure of.</summary>
    /// <param name="task">With unlabelled texts.</param>
    /// <param name="experts">Those that can be asked about them.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    public static HeadTrainingData Extend(MixtureTask task, IReadOnlyList<Expert> experts, CancellationToken cancellationToken)
    {
        Mixture judge = Mixture.Of(task, experts, cancellationToken);
        IEnumerable<int?> fits = [.. Enumerable.Range(0, task.Validation.FoldCount), null];
        int[][] supposed = [.. fits.Select(fold => Surest(judge.Unlabelled(task, fold), task.Data.ClassCount))];
        int[] rows = [.. Enumerable.Range(0, supposed[0].Length).Where(row => Array.Exists(supposed, own => own[row] >= 0))];
        return task.Data.With(rows, [.. supposed.Select(own => (int[])[.. rows.Select(row => own[row])])]);
    }

    /// <summary>[U]: the predicted class of the surest texts of each predicted class; -1 for the others.</summary>
    private static int[] Surest(double[] logProbabilities, int classCount)
    {
        int[] predicted = RowMaxima.IndexesOf<double>(logProbabilities, classCount);
        int[] labels = [.. Enumerable.Repeat(-1, predicted.Length)];
        foreach (IGrouping<int, int> rows in Enumerable.Range(0, labels.Length).GroupBy(row => predicted[row]))
        {
            int[] ordered = [.. rows.OrderByDescending(row => logProbabilities[row * classCount + rows.Key])];
            foreach (int row in ordered.Take((int)Math.Ceiling(TakenShare * ordered.Length))) labels[row] = rows.Key;
        }
        return labels;
    }
}
