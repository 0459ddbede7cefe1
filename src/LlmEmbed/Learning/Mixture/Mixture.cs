using System.Numerics.Tensors;
using LlmEmbed.Evaluation;

namespace LlmEmbed.Learning;

/// <summary>An expert in a mixture.</summary>
/// <param name="Expert">The expert.</param>
/// <param name="Temperature">By which its logits are divided.</param>
/// <param name="ClassCount">C.</param>
internal sealed record MixtureMember(Expert Expert, double Temperature, int ClassCount)
{
    /// <summary>[Rows,C].</summary>
    public double[] LogProbabilities { get; } = TemperatureScaling.LogProbabilities(Expert.Logits, ClassCount, Temperature);

    public double Weight { get; init; }

    /// <summary>By which its logits are multiplied. What makes probabilities of logits is the same for all classes and drops out.</summary>
    public double Factor => Weight / Temperature;

    /// <summary>How far it moves the logits of the mixture: the weight of one that says nothing means nothing.</summary>
    public double Movement => Weight * ExpertCalibration.Spread(LogProbabilities, ClassCount);

    public ExpertDecision Decide(int[] labels) => new(
        Expert.Facts,
        Weight,
        RowMaxima.IndexesOf<double>(Expert.Logits, ClassCount).Zip(labels, (predicted, label) => predicted == label ? 1.0 : 0).Average(),
        TemperatureScaling.NegativeLogLikelihoods(LogProbabilities, labels, temperature: 1).Average());
}

/// <summary>Calibrated experts with learned weights, and the names of the classes beside them.</summary>
/// <param name="Tried">All experts.</param>
/// <param name="Kept">Those that have a weight.</param>
/// <param name="Names">The share, the factor and the head of the names of the classes; null if they are left out.</param>
/// <param name="Validation">Out-of-fold predictions of the mixture.</param>
/// <param name="Labels">[Rows], the true classes of the rows that were held out.</param>
internal sealed record Mixture(
    IReadOnlyList<MixtureMember> Tried,
    IReadOnlyList<MixtureMember> Kept,
    (double Share, double Factor, LinearPart Part)? Names,
    CrossValidation Validation,
    int[] Labels)
{
    /// <summary>
    /// An expert that moves the mixture's logits by less than this part of all movement, and than a quarter of what its weight is drawn to, is left
    /// out and not read in prediction.
    /// </summary>
    private const double LeastPart = 0.02, LeastShare = 0.25;

    /// <summary>
    /// The share of each target, times the number of texts, that is spread over all classes where the mixture is calibrated: one text's worth for the
    /// doubt that few texts leave, and one because the weights were learned from the same predictions.
    /// </summary>
    public const double Doubt = 2;

    /// <summary>Mixes trained experts.</summary>
    public static Mixture Of(MixtureTask task, IReadOnlyList<Expert> experts, CancellationToken cancellationToken)
    {
        int[] labels = [.. task.Validation.Rows.Select(row => task.Data.Labels[row])];
        double[] temperatures = ExpertCalibration.Temperatures([.. experts.Select(expert => expert.Logits)], labels);
        MixtureMember[] tried = [.. experts.Zip(temperatures, (expert, temperature) => new MixtureMember(expert, temperature, task.Data.ClassCount))];
        MixtureMember[] kept = Weigh(tried, labels);
        double[] mixed = MixtureWeights.Mix([.. kept.Select(member => member.LogProbabilities)], [.. kept.Select(member => member.Weight)]);
        CrossValidation validation = Validate(task.Validation, mixed, labels);
        return ClassNames.FindOut(task.Data, validation, task.Plan.Threads, cancellationToken) is var (share, factor, names, together)
            ? new Mixture(tried, kept, (share, factor, names), Validate(task.Validation, together, labels), labels)
            : new Mixture(tried, kept, Names: null, validation, labels);
    }

    /// <summary>
    /// The log-probabilities [U,C] of the unlabelled texts by what did not see a fold, or by what saw all texts. Every expert must have been asked.
    /// </summary>
    public double[] Unlabelled(MixtureTask task, int? fold)
    {
        int classCount = task.Data.ClassCount;
        double[] mixed = MixtureWeights.Mix(
            [.. Kept.Select(member => TemperatureScaling.LogProbabilities(member.Expert.UnlabelledLogits!(fold), classCount, member.Temperature))],
            [.. Kept.Select(member => member.Weight)]);
        if (Names is var (_, factor, names))
            TensorPrimitives.MultiplyAdd(task.UnlabelledLogits(names.Head, names.Layout), factor, mixed, mixed);
        return TemperatureScaling.LogProbabilities(mixed, classCount, Validation.Chosen.Temperature);
    }

    /// <summary>Calibrates the mixture by its out-of-fold logits [Rows,C].</summary>
    private static CrossValidation Validate(CrossValidation folds, double[] logits, int[] labels)
    {
        PenaltyScore score = PenaltyCandidate.ScoreOf(double.NaN, logits, labels, folds.Folds, folds.FoldCount, Doubt);
        return folds with { Table = [], Chosen = score, Logits = logits, FoldHeads = [] };
    }

    /// <summary>Learns weights, leaves out what has next to none, and learns them again.</summary>
    private static MixtureMember[] Weigh(MixtureMember[] members, int[] labels)
    {
        double total = members.Sum(member => member.Expert.Share);
        MixtureMember[] weighed = Learn(members);
        double movement = weighed.Sum(member => member.Movement);
        MixtureMember[] kept =
            [.. weighed.Where(member => member.Movement >= movement * Math.Min(LeastPart, LeastShare * member.Expert.Share / total))];
        return kept.Length < weighed.Length ? Learn(kept) : weighed;

        MixtureMember[] Learn(MixtureMember[] some)
        {
            double[] weights = MixtureWeights.Learn(
                [.. some.Select(member => member.LogProbabilities)], labels, [.. some.Select(member => member.Expert.Share)]);
            return [.. some.Zip(weights, (member, weight) => member with { Weight = weight })];
        }
    }
}
