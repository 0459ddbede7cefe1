using LlmEmbed.Data;
using LlmEmbed.Evaluation;

namespace LlmEmbed.Learning;

/// <summary>
/// Where the gain of a mixture comes from: what it is worth without each kind of expert, with equal weights, and with one depth of attention. Its own
/// row is measured in the same way, so that the rows can be compared.
/// </summary>
internal static class MixtureAccount
{
    /// <summary>The most texts that are looked at, because the weights are learned again for each row and fold.</summary>
    public const int MostTexts = 2000;

    /// <param name="experts">All experts that were tried.</param>
    /// <param name="logProbabilities">For each the log-probabilities [Rows,C], of texts that it had not seen.</param>
    /// <param name="validation">The rows and their folds.</param>
    /// <param name="labels">[Rows].</param>
    /// <param name="seed">Of the sample of texts.</param>
    public static IReadOnlyList<MixtureVariant> Of(
        IReadOnlyList<Expert> experts, IReadOnlyList<double[]> logProbabilities, CrossValidation validation, int[] labels, ulong seed)
    {
        int classCount = logProbabilities[0].Length / labels.Length;
        int[] sample = StratifiedSplit.Sample(labels, MostTexts, seed);
        Sample texts = new(
            [.. logProbabilities.Select(own => Rows(own, sample, classCount))],
            [.. sample.Select(row => labels[row])],
            [.. sample.Select(row => validation.Folds[row])]);
        int[] all = [.. Enumerable.Range(0, experts.Count)], attention = [.. all.Where(i => experts[i].Facts.Kind == AttentionExperts.Kind)];
        List<MixtureVariant> variants =
        [
            Measure("learned weights", texts, experts, _ => all),
            Measure("equal weights", texts, experts, _ => all, areLearned: false),
        ];
        string[] kinds = [.. experts.Select(expert => expert.Facts.Kind).Distinct(StringComparer.Ordinal)];
        if (kinds.Length > 1)
            variants.AddRange(kinds.Select(
                kind => Measure($"without {kind.Replace('_', ' ')}", texts, experts, _ => [.. all.Where(i => experts[i].Facts.Kind != kind)])));
        if (attention.Length > 1)
            variants.Add(Measure("one depth of attention", texts, experts, seen => [.. all.Except(attention), texts.Best(attention, seen)]));
        return variants;
    }

    private static MixtureVariant Measure(
        string name, Sample texts, IReadOnlyList<Expert> experts, Func<bool[], int[]> membersFor, bool areLearned = true)
    {
        double right = 0, loss = 0;
        foreach (int fold in texts.Folds.Distinct().Order())
        {
            bool[] seen = [.. texts.Folds.Select(other => other != fold)];
            if (!seen.Contains(true)) Array.Fill(seen, true);
            int[] members = membersFor(seen);
            double[] shares = [.. members.Select(i => experts[i].Share)];
            (List<double[]> own, int[] truth) = texts.Select(members, seen);
            double[] weights = areLearned ? MixtureWeights.Learn(own, truth, shares) : [.. shares.Select(share => share / shares.Sum())];
            double temperature = TemperatureScaling.Fit(
                MixtureWeights.Mix(own, weights), truth, TemperatureScaling.SmoothingFor(truth.Length));
            (List<double[]> others, int[] labels) = texts.Select(members, [.. texts.Folds.Select(other => other == fold)]);
            double[] mixed = MixtureWeights.Mix(others, weights);
            int[] predicted = RowMaxima.IndexesOf<double>(mixed, mixed.Length / labels.Length);
            right += predicted.Zip(labels).Count(pair => pair.First == pair.Second);
            loss += TemperatureScaling.NegativeLogLikelihoods(mixed, labels, temperature).Sum();
        }
        return new MixtureVariant(name, right / texts.Labels.Length, loss / texts.Labels.Length);
    }

    private static double[] Rows(double[] values, int[] rows, int classCount) =>
        [.. rows.SelectMany(row => values.AsSpan(row * classCount, classCount).ToArray())];

    /// <param name="LogProbabilities">For each expert [n,C].</param>
    /// <param name="Labels">[n].</param>
    /// <param name="Folds">[n].</param>
    private sealed record Sample(IReadOnlyList<double[]> LogProbabilities, int[] Labels, int[] Folds)
    {
        public (List<double[]> LogProbabilities, int[] Labels) Select(int[] experts, bool[] isChosen)
        {
            int[] rows = [.. Enumerable.Range(0, Labels.Length).Where(row => isChosen[row])];
            int classCount = LogProbabilities[0].Length / Labels.Length;
            return ([.. experts.Select(i => Rows(LogProbabilities[i], rows, classCount))], [.. rows.Select(row => Labels[row])]);
        }

        /// <summary>The expert with the least log loss on some of the rows.</summary>
        public int Best(int[] experts, bool[] isChosen) => experts.MinBy(i =>
        {
            (List<double[]> own, int[] labels) = Select([i], isChosen);
            return TemperatureScaling.NegativeLogLikelihoods(own[0], labels, temperature: 1).Sum();
        });
    }
}
