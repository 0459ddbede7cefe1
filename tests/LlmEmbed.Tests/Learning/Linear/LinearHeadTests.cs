using System.Text.Json;
using LlmEmbed.Data;
using LlmEmbed.Evaluation;
using LlmEmbed.Learning;
using LlmEmbed.Reading;
using Xunit;

namespace LlmEmbed.Tests.Learning;

public sealed class LinearHeadTests
{
    private static readonly GoldenTensors Tensors = new("metrics", "metrics.safetensors");

    public static TheoryData<string> GoldenFits =>
        [.. JsonDocument.Parse(File.ReadAllText(Repository.Fixture("metrics", "metrics.json"))).RootElement
            .GetProperty("logistic_regression").EnumerateArray().Select(fit => fit.GetProperty("name").GetString()!)];

    [Theory]
    [MemberData(nameof(GoldenFits))]
    public void Probabilities_weights_and_objective_equal_scikit_learns(string name)
    {
        JsonElement golden = JsonDocument.Parse(File.ReadAllText(Repository.Fixture("metrics", "metrics.json"))).RootElement
            .GetProperty("logistic_regression").EnumerateArray().First(fit => fit.GetProperty("name").GetString() == name);
        int classCount = golden.GetProperty("classes").GetInt32();
        int[] allLabels = Tensors.Labels("lr.labels");
        int[] rows = [.. Enumerable.Range(0, allLabels.Length).Where(row => allLabels[row] < classCount)];
        FeatureMatrix features = new ArrayFeatures(Tensors.Narrowed("lr.features"), allLabels.Length, 20).Select(rows);
        HeadTrainingData data = new(features, [.. rows.Select(row => allLabels[row])], classCount, HeadProblems.Layout(20));
        LinearOptions options = new()
        {
            // The file's two-class fits keep that of all rows.
            Standardization = new Standardization(Tensors.Narrowed("lr.mean"), Tensors.Narrowed("lr.scale")),
            Penalties = [golden.GetProperty("C").GetDouble()],
            ClassWeighting = golden.GetProperty("class_weight").ValueKind == JsonValueKind.Null ? ClassWeighting.None : ClassWeighting.Balanced,
        };

        LinearTraining training = Train(data, options);

        Assert.Equal(1, training.Objective / golden.GetProperty("objective").GetDouble(), 1e-6);
        float[] probabilities = new float[50 * classCount];
        training.Head.Logits(Tensors.Narrowed("lr.other_features"), 50, probabilities);
        TemperatureScaling.ToProbabilities(probabilities, classCount, 1);
        AssertClose(Tensors.Values<double>($"{name}.proba"), probabilities, 1e-5);
        Standardization ofAllRows = Standardization.Of(
            HeadProblems.Data(Tensors.Narrowed("lr.features"), allLabels, 4), 2, TestContext.Current.CancellationToken);
        AssertClose(Tensors.Values<double>("lr.mean"), ofAllRows.Mean, 1e-6);
        AssertClose(Tensors.Values<double>("lr.scale"), ofAllRows.Scale, 1e-6);
        AssertClose(Tensors.Values<double>($"{name}.coef"), HeadTensor.Take(training.Head.Tensors, "weight", Tensors.Shape($"{name}.coef")), 1e-3);
        AssertClose(
            Tensors.Values<double>($"{name}.intercept"), HeadTensor.Take(training.Head.Tensors, "bias", Tensors.Shape($"{name}.intercept")), 1e-3);
    }

    [Fact]
    public void Class_weights_are_balanced_only_where_that_finds_a_rare_class_at_no_clear_cost()
    {
        static HeadTrainingData Overlapping(int common, int rare)
        {
            DeterministicRandom random = new(11);
            int[] labels = [.. Enumerable.Range(0, common + rare).Select(row => row < common ? 0 : 1)];
            // One channel of noise 1 whose mean differs by 1.2: with one text of ten being rare, even weights call nearly none so.
            float[] values = [.. labels.Select(label => (float)(label * 1.2 + Enumerable.Range(0, 12).Sum(_ => random.NextDouble()) - 6))];
            return HeadProblems.Data(values, labels, 2);
        }

        static ClassWeighting WeightingOf(HeadTrainingData data, ClassWeighting weighting)
        {
            LearningPlan plan = new(new HeadOptions.Linear { ClassWeighting = weighting });
            TrainedHead head = HeadTrainer.Train(data, plan, progress: null, TestContext.Current.CancellationToken);
            return Assert.IsType<RegressionDecision>(head.Decisions.Head).ClassWeighting;
        }

        Assert.Equal(ClassWeighting.None, WeightingOf(Overlapping(200, 200), ClassWeighting.Auto));
        // Balanced weights find more of the rare class here, but cost too much accuracy.
        Assert.Equal(ClassWeighting.None, WeightingOf(Overlapping(360, 40), ClassWeighting.Auto));
        Assert.Equal(ClassWeighting.Balanced, WeightingOf(Overlapping(360, 40), ClassWeighting.Balanced));
        HeadTrainingData rare = HeadProblems.Clusters(600, 30, 3, seed: 5, spread: 3, labelOfRow: row => row % 10 == 0 ? 2 : row % 2);
        Assert.Equal(ClassWeighting.Balanced, WeightingOf(rare, ClassWeighting.Auto));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void Fewer_rows_than_features_give_the_same_fits_in_the_space_of_the_rows(int classCount)
    {
        HeadTrainingData data = HeadProblems.Clusters(40, 150, classCount, seed: 3);
        LinearOptions options = new() { Penalties = LinearHeadTrainer.DefaultPenalties(150, 1000) };
        // Two views, whose products add up, and of which one alone must not do.
        HeadTrainingData parts = new(data.Features, data.Labels, classCount, HeadProblems.Layout(60, 90));
        using RowSpace space = new(parts, threads: 2, TestContext.Current.CancellationToken);
        HeadTrainingData reduced = space.Of(parts.Layout.Keys);
        Assert.Equal(40, reduced.Features.Columns);
        CrossValidation full = LinearHeadTrainer.CrossValidate(data, options, TestContext.Current.CancellationToken)!;
        CrossValidation small = LinearHeadTrainer.CrossValidate(
            reduced, options with { Standardization = Standardization.None(40) }, TestContext.Current.CancellationToken)!;
        Assert.Equal(full.Chosen.C, small.Chosen.C);
        AssertClose(full.Logits, [.. small.Logits.Select(value => (float)value)], 5e-3);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    public void Held_out_texts_of_separate_clusters_are_classified(int classCount)
    {
        LinearTraining training = Train(HeadProblems.Clusters(400, 30, classCount, seed: 1), new LinearOptions());
        Assert.InRange(HeadProblems.Accuracy(training.Head, HeadProblems.Clusters(400, 30, classCount, seed: 2)), 0.98, 1);
    }

    /// <summary>Sizes that take each of the three ways to multiply: double precision, row by row, the engine's products.</summary>
    [Theory]
    [InlineData(200, 40, 3)]
    [InlineData(9000, 1000, 2)]
    [InlineData(3000, 300, 9)]
    public void Results_do_not_depend_on_the_number_of_threads(int rows, int columns, int classCount)
    {
        HeadTrainingData data = HeadProblems.Clusters(rows, columns, classCount, seed: 3, spread: 8);
        LinearOptions options = new() { Penalties = [1e-4, 1e-3], Folds = 3, Threads = 1 };
        LinearTraining one = Train(data, options);
        LinearTraining two = Train(data, options with { Threads = 2 });
        Assert.Equal(one.Head.Tensors.Select(t => t.Values), two.Head.Tensors.Select(t => t.Values));
        Assert.Equal(one.CrossValidation!.Table, two.CrossValidation!.Table);
    }

    [Fact]
    public void All_ways_to_multiply_find_the_same_minimum()
    {
        HeadTrainingData data = HeadProblems.Clusters(700, 50, 8, seed: 4, spread: 4);
        Standardization standardization = Standardization.Of(data, threads: 1, CancellationToken.None);
        int[] folds = StratifiedSplit.Folds(data.Labels, 3, seed: 0);
        LogisticFit[] fits = [new(0, [1, 1, 2, 1, 1, 1, 1, 3]), new(1, [1, 1, 1, 1, 1, 1, 1, 1])];
        DeterministicRandom random = new(3);
        double[][] parameters = [.. fits.Select(_ => Enumerable.Range(0, 8 * 51).Select(_ => 0.1 * HeadProblems.Normal(random)).ToArray())];
        List<double[][]> found = [];
        Func<LogisticLoss>[] ways =
        [
            () => new LogisticLoss<double>(data.Features, data.Labels, folds, 8, standardization, fitCount: 2, threads: 2, new ExactProducts(50)),
            () => new LogisticLoss<float>(data.Features, data.Labels, folds, 8, standardization, fitCount: 2, threads: 2, new NarrowProducts(50)),
            () => new LogisticLoss<float>(data.Features, data.Labels, folds, 8, standardization, fitCount: 2, threads: 2, new EngineProducts(50)),
        ];
        foreach (Func<LogisticLoss> way in ways)
        {
            using LogisticLoss loss = way();
            double[][] gradients = [.. parameters.Select(p => new double[p.Length])];
            double[] losses = loss.Evaluate(fits, parameters, gradients, CancellationToken.None);
            found.Add([losses, .. gradients]);
        }
        foreach (double[][] other in found.Skip(1))
            for (int i = 0; i < other.Length; i++) AssertClose(found[0][i], [.. other[i].Select(v => (float)v)], 2e-5);
    }

    [Fact]
    public void The_gradient_is_the_slope_of_the_loss()
    {
        HeadTrainingData data = HeadProblems.Clusters(60, 6, 3, seed: 5);
        using LogisticLoss loss = LogisticLoss.Create(
            data.Features, data.Labels, new int[60], 3, Standardization.Of(data, 1, CancellationToken.None), 1, 1);
        LogisticFit[] fit = [new(null, [1, 2, 0.5])];
        double[] point = [.. Enumerable.Range(0, loss.ParameterCount).Select(i => Math.Sin(i))];
        double[] gradient = new double[point.Length];
        _ = loss.Evaluate(fit, [point], [gradient], CancellationToken.None);
        for (int i = 0; i < point.Length; i++)
        {
            double[] right = [.. point], left = [.. point];
            (right[i], left[i]) = (right[i] + 1e-5, left[i] - 1e-5);
            double[] unused = new double[point.Length];
            double LossAt(double[] parameters) => loss.Evaluate(fit, [parameters], [unused], CancellationToken.None)[0];
            double slope = (LossAt(right) - LossAt(left)) / 2e-5;
            Assert.Equal(slope, gradient[i], 1e-5);
        }
    }

    [Fact]
    public void Cross_validation_reports_a_table_and_chooses_from_it()
    {
        HeadTrainingData data = HeadProblems.Clusters(300, 40, 3, seed: 6, spread: 6);
        HeadProblems.Reports progress = [];
        LinearTraining training = LinearHeadTrainer.Train(data, new LinearOptions(), progress, TestContext.Current.CancellationToken);
        CrossValidation validation = training.CrossValidation!;
        Assert.Contains(validation.Chosen, validation.Table);
        Assert.Equal(validation.Chosen.C, training.C);
        Assert.Equal(validation.Table.OrderBy(line => line.C), validation.Table);
        Assert.Equal(300 * 3, validation.Logits.Length);
        Assert.InRange(validation.Chosen.CalibratedLogLoss, 0, validation.Chosen.LogLoss + 1e-3);
        Assert.Equal(validation.Chosen.Temperature, training.Temperature);
        Assert.All(progress, report => Assert.InRange(report.Done, 0, report.Total));
        Assert.Equal(new WorkProgress("Training the head", 300, 300, "texts"), progress[^1]);
    }

    [Fact]
    public void Out_of_fold_logits_are_as_good_as_the_head_on_new_texts()
    {
        HeadTrainingData data = HeadProblems.Clusters(600, 40, 3, seed: 7, spread: 5);
        LinearTraining training = Train(data, new LinearOptions());
        double onNewTexts = HeadProblems.Accuracy(training.Head, HeadProblems.Clusters(2000, 40, 3, seed: 8, spread: 5));
        double onSeenTexts = HeadProblems.Accuracy(training.Head, data);
        Assert.Equal(onNewTexts, training.CrossValidation!.Chosen.Accuracy, 0.04);
        Assert.True(onSeenTexts > onNewTexts, "the problem must be one on which seeing a text helps");
    }

    [Fact]
    public void Labels_without_relation_to_the_features_get_a_strong_penalty_and_flat_probabilities()
    {
        HeadTrainingData clusters = HeadProblems.Clusters(600, 60, 2, seed: 9);
        DeterministicRandom random = new(10);
        HeadTrainingData noise = HeadProblems.Data(clusters.Features.Block(0, 600).ToArray(), [.. clusters.Labels.Select(_ => random.Next(2))], 2);
        LinearTraining training = Train(noise, new LinearOptions());
        Assert.Equal(training.CrossValidation!.Table[0].C, training.C);
        Assert.InRange(training.CrossValidation.Chosen.CalibratedLogLoss, 0.65, 0.75);
    }

    [Fact]
    public void Balanced_weights_find_more_of_a_rare_class()
    {
        HeadTrainingData Rare(ulong seed) => HeadProblems.Clusters(1000, 10, 2, seed, spread: 4, row => row % 20 == 0 ? 1 : 0);
        LinearOptions options = new() { Penalties = [0.1] };
        double plain = Recall(Train(Rare(1), options).Head);
        double balanced = Recall(Train(Rare(1), options with { ClassWeighting = ClassWeighting.Balanced }).Head);
        Assert.True(balanced > plain + 0.2, $"recall {balanced} with balanced weights, {plain} without");

        double Recall(LinearHead head) => HeadProblems.Predictions(head, Rare(2)).Where((_, row) => row % 20 == 0).Average();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_handful_of_texts_is_enough(int perClass)
    {
        LinearTraining training = Train(HeadProblems.Clusters(4 * perClass, 200, 4, seed: 11), new LinearOptions());
        Assert.InRange(HeadProblems.Accuracy(training.Head, HeadProblems.Clusters(200, 200, 4, seed: 12)), 0.95, 1);
        Assert.Equal(perClass == 1, training.CrossValidation is null);
    }

    [Fact]
    public void Large_data_is_sampled_to_choose_the_penalty()
    {
        HeadTrainingData data = HeadProblems.Clusters(500, 20, 2, seed: 13);
        LinearTraining training = Train(data, new LinearOptions { MaxCrossValidationRows = 100 });
        Assert.Equal(100, training.CrossValidation!.Rows.Length);
        Assert.Equal(200, training.CrossValidation.Logits.Length);
    }

    [Fact]
    public void A_row_has_the_same_logits_in_any_batch_and_after_loading()
    {
        HeadTrainingData data = HeadProblems.Clusters(50, 30, 3, seed: 14);
        LinearHead head = Train(data, new LinearOptions { Penalties = [0.1] }).Head;
        float[] together = HeadProblems.Logits(head, data);
        using LinearHead loaded = LinearHead.Load(head.Tensors, head.FeatureCount, head.ClassCount);
        float[] alone = new float[3];
        for (int row = 0; row < data.Rows; row++)
        {
            loaded.Logits(data.Features.Row(row), 1, alone);
            Assert.Equal(together[(row * 3)..(row * 3 + 3)], alone);
        }
        Assert.Equal("linear", head.Kind);
        Assert.Empty(head.Settings);
    }

    [Fact]
    public void Loading_a_tensor_of_a_wrong_shape_or_without_one_names_it()
    {
        using LinearHead head = new(3, Standardization.None(4), new float[12], new float[3]);
        string message = Assert.Throws<LlmEmbedException>(() => LinearHead.Load(head.Tensors, 4, 5)).Message;
        Assert.Contains("'weight' has the shape [3, 4], expected [5, 4]", message, StringComparison.Ordinal);
        HeadTensor[] fewer = [.. head.Tensors.Where(tensor => tensor.Name != "scale")];
        Assert.Contains("'scale' is missing", Assert.Throws<LlmEmbedException>(() => LinearHead.Load(fewer, 4, 3)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_feature_that_is_not_a_number_is_named()
    {
        HeadTrainingData data = HeadProblems.Clusters(20, 5, 2, seed: 15);
        data.Features.Block(7, 1).Span[3] = float.NaN;
        string message = Assert.Throws<LlmEmbedException>(() => Train(data, new LinearOptions())).Message;
        Assert.Contains("training text 7 hold NaN at depth 0 of 'decoder' (Mean, channel 3)", message, StringComparison.Ordinal);
    }

    [Fact]
    public void One_class_alone_is_refused()
    {
        string message = Assert.Throws<LlmEmbedException>(() => HeadProblems.Data(new float[6], [1, 1, 1], 2)).Message;
        Assert.Contains("texts of 1 class", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Cancellation_ends_the_training()
    {
        HeadTrainingData data = HeadProblems.Clusters(100, 20, 2, seed: 16);
        using CancellationTokenSource source = new();
        CancelOnReport progress = new(source);
        Assert.ThrowsAny<OperationCanceledException>(() => LinearHeadTrainer.Train(data, new LinearOptions(), progress, source.Token));
    }

    [Fact]
    public void Noise_in_a_constant_feature_is_not_blown_up()
    {
        float[] features = [1000f, 1, 1000.0001f, 2, 999.9999f, 3, 1000f, 4];
        Standardization standardization = Standardization.Of(HeadProblems.Data(features, [0, 1, 0, 1], 2), 1, CancellationToken.None);
        Assert.Equal([1, MathF.Sqrt(1.25f)], standardization.Scale);
        Assert.Equal(2.5f, standardization.Mean[1]);
    }

    private static LinearTraining Train(HeadTrainingData data, LinearOptions options) =>
        LinearHeadTrainer.Train(data, options, progress: null, TestContext.Current.CancellationToken);

    private static void AssertClose(double[] expected, float[] found, double tolerance)
    {
        Assert.Equal(expected.Length, found.Length);
        for (int i = 0; i < found.Length; i++) Assert.Equal(expected[i], found[i], tolerance * Math.Max(1, Math.Abs(expected[i])));
    }

    private sealed class CancelOnReport(CancellationTokenSource source) : IProgress<WorkProgress>
    {
        public void Report(WorkProgress value) => source.Cancel();
    }
}
