using LlmEmbed.Data;
using LlmEmbed.Evaluation;
using LlmEmbed.Learning;
using Xunit;

namespace LlmEmbed.Tests.Learning;

public sealed class MixtureAccountTests
{
    private const int Rows = 300;

    private static readonly int[] Labels = [.. Enumerable.Range(0, Rows).Select(row => row % 2)];

    [Fact]
    public void It_has_a_row_for_each_kind_of_expert_for_equal_weights_and_for_one_depth() => Assert.Equal(
        [
            "learned weights", "equal weights", "without views", "without class names", "without attention", "without words",
            "one depth of attention",
        ],
        Of(("views", 1), ("class_names", 0), ("attention", 1), ("attention", 1), ("words", 1)).Select(variant => variant.Name));

    [Fact]
    public void Rows_that_would_leave_nothing_out_are_not_there()
    {
        Assert.Equal(["learned weights", "equal weights"], Of(("views", 1), ("views", 2)).Select(variant => variant.Name));
        Assert.Equal(
            ["learned weights", "equal weights", "without views", "without attention"],
            Of(("views", 1), ("attention", 2)).Select(variant => variant.Name));
    }

    [Fact]
    public void Without_the_only_kind_that_tells_the_classes_it_is_worse_and_without_another_it_is_not()
    {
        Dictionary<string, MixtureVariant> found = Of(("views", 0), ("attention", 3), ("attention", 0), ("words", 0)).ToDictionary(row => row.Name);
        MixtureVariant learned = found["learned weights"];
        Assert.InRange(found["without attention"].LogLoss, learned.LogLoss + 0.3, 2);
        Assert.InRange(found["without attention"].Accuracy, 0.3, 0.6);
        Assert.InRange(learned.Accuracy, 0.9, 1);
        Assert.InRange(found["equal weights"].LogLoss, learned.LogLoss + 0.02, 2);
        Assert.Equal(learned.LogLoss, found["without words"].LogLoss, 0.02);
        Assert.InRange(found["one depth of attention"].LogLoss, 0, learned.LogLoss + 0.01); // the depth that tells is the one that is kept
    }

    /// <summary>Weights are measured on texts that they did not see, so that no way to mix noise is better than chance.</summary>
    [Fact]
    public void Noise_is_not_worth_more_than_chance() =>
        Assert.All(Of(("views", 0), ("attention", 0), ("words", 0)), variant => Assert.InRange(variant.LogLoss, Math.Log(2) - 0.01, 1));

    /// <summary>On each of two folds another expert is right, so that what was learned on one fold is wrong on the other.</summary>
    [Fact]
    public void The_weights_of_a_fold_are_learned_on_the_other_folds()
    {
        CrossValidation validation = Validation(foldCount: 2);
        double[] Right(int fold)
        {
            double Margin(int row) => validation.Folds[row] == fold == (Labels[row] == 1) ? 2 : -2;
            return TemperatureScaling.LogProbabilities([.. Labels.SelectMany((_, row) => new[] { 0, Margin(row) })], 2, temperature: 1);
        }
        double[][] logs = [Right(0), Right(1)];
        Expert[] experts = [.. logs.Select(own => new Expert(new ExpertFacts("views"), 1, own))];
        MixtureVariant learned = MixtureAccount.Of(experts, logs, validation, Labels, seed: 1)[0];
        Assert.Equal(0, learned.Accuracy);
        Assert.InRange(learned.LogLoss, 1, double.MaxValue);
    }

    private static IReadOnlyList<MixtureVariant> Of(params (string Kind, double Strength)[] experts)
    {
        double[][] logs = [.. experts.Select((expert, place) =>
        {
            DeterministicRandom random = new((ulong)place + 1);
            double[] logits = [.. Labels.SelectMany(label => new[] { 0, 2 * HeadProblems.Normal(random) + expert.Strength * (label == 1 ? 2 : -2) })];
            return TemperatureScaling.LogProbabilities(logits, 2, temperature: 1);
        })];
        return MixtureAccount.Of(
            [.. experts.Zip(logs, (expert, own) => new Expert(new ExpertFacts(expert.Kind), 1, own))], logs, Validation(), Labels, seed: 1);
    }

    private static CrossValidation Validation(int foldCount = 5)
    {
        int[] folds = [.. Enumerable.Range(0, Rows).Select(row => row / 2 % foldCount)];
        double[] logits = new double[2 * Rows];
        return new CrossValidation([], PenaltyCandidate.ScoreOf(1, logits, Labels, folds, foldCount), [.. Enumerable.Range(0, Rows)], logits, folds);
    }
}
