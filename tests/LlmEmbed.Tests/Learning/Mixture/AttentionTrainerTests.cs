using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;
using Xunit;

namespace LlmEmbed.Tests.Learning;

public sealed class AttentionTrainerTests
{
    private const int HiddenSize = 5, Depth = 3;

    private static readonly int[] Counts = [3, 1, 7, 4, 2, 6, 5, 1, 3, 4, 2];

    /// <summary>The penalty is large, because Adam would hide a wrong factor of the log loss alone.</summary>
    [Theory]
    [InlineData(2, 11)]
    [InlineData(3, 11)]
    [InlineData(3, 4)]
    public void Training_follows_the_numerical_derivative_of_the_loss_in_double_precision(int classCount, int batchTexts)
    {
        Problem problem = Problem.Of(classCount, seed: 3);
        AttentionSchedule schedule = new(Steps: 25, batchTexts, LearningRate: 0.04f, Decays: batchTexts < 11, Penalty: 0.2f, Seed: 6);
        AttentionModel model = problem.Fit(schedule, problem.Weights)[0];
        double[] expected = new PlainTrainer(problem, classCount, schedule).Train();
        float[] actual = [.. model.Query, .. model.Weights, .. model.Intercepts];
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 2e-4);
        Assert.All((float[][])[model.Query, model.Weights, model.Intercepts], values => Assert.Contains(values, value => Math.Abs(value) > 0.05));
    }

    [Theory]
    [InlineData(11)]
    [InlineData(3)]
    public void Models_that_are_trained_together_are_those_that_are_trained_alone(int batchTexts)
    {
        Problem problem = Problem.Of(3, seed: 5);
        double[] WeightsOf(int model) => [.. problem.Weights.Select((weight, row) => row % 4 == model ? 0 : weight)];
        double[][] weights = [.. Enumerable.Range(0, 4).Select(WeightsOf)];
        AttentionSchedule schedule = new(Steps: 12, batchTexts, LearningRate: 0.04f, Decays: true, Penalty: 0.01f, Seed: 6);
        AttentionModel[] together = problem.Fit(schedule, weights);
        for (int m = 0; m < weights.Length; m++) AssertSame(problem.Fit(schedule, weights[m])[0], together[m]);
        Assert.NotEqual(together[0].Query, together[1].Query);
    }

    [Theory]
    [InlineData(11)]
    [InlineData(3)]
    public void A_text_of_weight_0_changes_nothing(int batchTexts)
    {
        AttentionSchedule schedule = new(Steps: 12, batchTexts, LearningRate: 0.04f, Decays: false, Penalty: 0.01f, Seed: 6);
        AttentionModel Train(bool isChanged)
        {
            Problem problem = Problem.Of(3, seed: 5);
            double[] weights = [.. problem.Weights];
            weights[2] = weights[7] = 0;
            if (isChanged)
            {
                foreach (int row in (int[])[2, 7]) problem.Tokens.Of(row, Depth).Fill(-40);
                (problem.Labels[2], problem.Labels[7]) = (0, 2);
            }
            return problem.Fit(schedule, weights)[0];
        }
        AssertSame(Train(isChanged: false), Train(isChanged: true));
    }

    [Fact]
    public void A_weight_of_2_counts_as_two_texts()
    {
        AttentionSchedule schedule = new(Steps: 20, BatchTexts: 100, LearningRate: 0.04f, Decays: false, Penalty: 0.01f, Seed: 6);
        Problem problem = Problem.Of(3, seed: 5);
        int[] twice = [.. Enumerable.Range(0, Counts.Length), 4, 6];
        Problem longer = problem with { Tokens = problem.Tokens.Select(twice), Labels = [.. twice.Select(row => problem.Labels[row])] };
        AttentionModel expected = longer.Fit(schedule, [.. twice.Select(_ => 1.0)])[0];
        AttentionModel actual = problem.Fit(schedule, [.. Counts.Select((_, row) => row is 4 or 6 ? 2.0 : 1)])[0];
        for (int i = 0; i < HiddenSize; i++) Assert.Equal(expected.Query[i], actual.Query[i], 1e-4);
        for (int i = 0; i < expected.Weights.Length; i++) Assert.Equal(expected.Weights[i], actual.Weights[i], 1e-4);
    }

    [Fact]
    public void Texts_without_tokens_are_passed_over()
    {
        AttentionSchedule schedule = new(Steps: 12, BatchTexts: 100, LearningRate: 0.04f, Decays: false, Penalty: 0, Seed: 6);
        Problem problem = Problem.Of(2, seed: 5), some = Problem.Of(2, seed: 5, [.. Counts.Select((count, row) => row is 0 or 5 ? 0 : count)]);
        some = some with { Standardization = problem.Standardization };
        int[] others = [.. Enumerable.Range(0, Counts.Length).Except([0, 5])];
        foreach (int row in others) problem.Tokens.Of(row, Depth).CopyTo(some.Tokens.Of(row, Depth));
        double[] weights = [.. problem.Weights.Select((weight, row) => row is 0 or 5 ? 0 : weight)];
        AssertSame(problem.Fit(schedule, weights)[0], some.Fit(schedule, weights)[0]);
        AttentionModel model = some.Fit(schedule, some.Weights)[0];
        Assert.All(model.Parameters.SelectMany(parameter => parameter.Values), value => Assert.True(float.IsFinite(value)));
    }

    [Fact]
    public void Few_texts_are_all_seen_at_each_step_and_many_in_batches_with_less_penalty()
    {
        AttentionSchedule[] schedules = [.. new[] { 200, 1000, 50_000 }.Select(texts => AttentionSchedule.For(texts, seed: 1))];
        (AttentionSchedule few, AttentionSchedule some, AttentionSchedule many) = (schedules[0], schedules[1], schedules[2]);
        Assert.Equal(200, few.BatchTexts);
        Assert.False(few.Decays);
        Assert.True(some.BatchTexts < 201 && some.Decays);
        Assert.Equal(few.Penalty, some.Penalty);
        Assert.Equal(few.Penalty / 50, many.Penalty, 1e-7f);
        Assert.True(many.Steps * many.BatchTexts >= 2 * 50_000);
    }

    [Fact]
    public void It_stops_when_told() => Assert.Throws<OperationCanceledException>(() => Problem.Of(2, seed: 5).Fit(
        AttentionSchedule.For(11, seed: 1), Problem.Of(2, seed: 5).Weights, new CancellationToken(canceled: true)));

    private static void AssertSame(AttentionModel expected, AttentionModel actual)
    {
        foreach ((HeadTensor one, HeadTensor other) in expected.Parameters.Zip(actual.Parameters)) Assert.Equal(one.Values, other.Values);
        Assert.Contains(actual.Query, value => value != 0);
    }

    private sealed record Problem(TokenStates Tokens, Standardization Standardization, int[] Labels, int ClassCount, double[] Weights)
    {
        public static Problem Of(int classCount, ulong seed, int[]? counts = null)
        {
            counts ??= Counts;
            DeterministicRandom random = new(seed);
            return new Problem(
                TokenProblems.Noise(random, HiddenSize, Depth, counts),
                new Standardization(TokenProblems.Normals(random, HiddenSize), [0.5f, 2, 1, 1.5f, 0.8f]),
                [.. counts.Select((_, row) => row * row % classCount)],
                classCount,
                [.. counts.Select((_, row) => 0.5 + row % 3)]);
        }

        public AttentionModel[] Fit(AttentionSchedule schedule, params double[][] weights) =>
            AttentionTrainer.Fit(Tokens, Depth, Standardization, Labels, ClassCount, weights, schedule, TestContext.Current.CancellationToken);

        public AttentionModel[] Fit(AttentionSchedule schedule, double[] weights, CancellationToken cancellation) =>
            AttentionTrainer.Fit(Tokens, Depth, Standardization, Labels, ClassCount, [weights], schedule, cancellation);
    }

    /// <summary>The same training as plainly as can be: the loss in double precision, its numerical derivative, and Adam by the book.</summary>
    private sealed class PlainTrainer(Problem problem, int classCount, AttentionSchedule schedule)
    {
        private readonly double[] _parameters = new double[HiddenSize + classCount * HiddenSize + classCount]; // q, W, b

        public double[] Train()
        {
            double[] first = new double[_parameters.Length], second = new double[_parameters.Length];
            DeterministicRandom random = new(schedule.Seed);
            int[] order = [.. Enumerable.Range(0, problem.Labels.Length)];
            Queue<int> next = [];
            for (int step = 1; step <= schedule.Steps; step++)
            {
                if (schedule.BatchTexts < order.Length && next.Count < schedule.BatchTexts)
                {
                    random.Shuffle<int>(order);
                    next = new Queue<int>(order);
                }
                int[] rows = schedule.BatchTexts < order.Length ? [.. Enumerable.Range(0, schedule.BatchTexts).Select(_ => next.Dequeue())] : order;
                double rate = schedule.LearningRate * (schedule.Decays ? 1 - (step - 1.0) / schedule.Steps : 1);
                double[] gradient = [.. Enumerable.Range(0, _parameters.Length).Select(i => Derivative(i, rows))];
                for (int i = 0; i < gradient.Length; i++)
                {
                    first[i] = 0.9 * first[i] + 0.1 * gradient[i];
                    second[i] = 0.999 * second[i] + 0.001 * gradient[i] * gradient[i];
                    double mean = first[i] / (1 - Math.Pow(0.9, step)), variance = second[i] / (1 - Math.Pow(0.999, step));
                    _parameters[i] -= rate * mean / (Math.Sqrt(variance) + 1e-8);
                }
            }
            return _parameters;
        }

        private double Derivative(int parameter, int[] rows)
        {
            const double Step = 1e-5;
            double value = _parameters[parameter];
            _parameters[parameter] = value + Step;
            double above = Loss(rows);
            _parameters[parameter] = value - Step;
            double below = Loss(rows);
            _parameters[parameter] = value;
            double derivative = (above - below) / (2 * Step);
            return Math.Abs(derivative) < 1e-9 ? 0 : derivative; // Adam would make steps of rounding errors.
        }

        private double Loss(int[] rows)
        {
            double Squares(int from, int count) => _parameters.Skip(from).Take(count).Sum(value => value * value);
            double penalty = Squares(HiddenSize, classCount * HiddenSize) / classCount + Squares(0, HiddenSize);
            double total = rows.Sum(row => problem.Weights[row]);
            return rows.Sum(row => problem.Weights[row] * LogLoss(row)) / total + schedule.Penalty * penalty;
        }

        private double LogLoss(int row)
        {
            double factor = 4 / Math.Sqrt(HiddenSize);
            double[][] states =
            [
                .. problem.Tokens.Of(row, Depth).ToArray().Chunk(HiddenSize).Select(state => state
                    .Select((value, i) => ((double)value - problem.Standardization.Mean[i]) / problem.Standardization.Scale[i]).ToArray()),
            ];
            double[] powers = [.. states.Select(state => Math.Exp(factor * state.Select((value, i) => value * _parameters[i]).Sum()))];
            double Pooled(int i) => states.Select((state, t) => powers[t] * state[i]).Sum() / powers.Sum();
            double[] pooled = [.. Enumerable.Range(0, HiddenSize).Select(Pooled)];
            double[] logits =
            [
                .. Enumerable.Range(0, classCount).Select(k => _parameters[HiddenSize + classCount * HiddenSize + k]
                    + factor * pooled.Select((value, i) => value * _parameters[HiddenSize + k * HiddenSize + i]).Sum()),
            ];
            return Math.Log(logits.Sum(Math.Exp)) - logits[problem.Labels[row]];
        }
    }
}
