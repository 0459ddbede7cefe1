using System.Text.Json;
using System.Text.Json.Nodes;
using LlmEmbed.Data;
using LlmEmbed.Engine;
using LlmEmbed.Learning;
using LlmEmbed.Reading;
using Xunit;

namespace LlmEmbed.Tests.Learning;

public sealed class CooccurrenceHeadTests
{
    private const double Tolerance = 1e-5;
    private static readonly GoldenTensors Tensors = new("reference-head", "head.safetensors");
    private static readonly JsonElement Golden = JsonDocument.Parse(File.ReadAllText(Repository.Fixture("reference-head", "head.json"))).RootElement;

    /// <summary>Small layers that train in a second; otherwise the defaults.</summary>
    private static readonly CooccurrenceOptions Small =
        new() { Hidden1 = 64, Hidden2 = 32, BatchSize = 64, LearningRate = 2e-3f, Seed = 1, Threads = 2 };

    public static TheoryData<string, float, CooccurrenceLossName> GoldenRuns => new()
    {
        { "sigma0.1.paper", 0.1f, CooccurrenceLossName.Paper },
        { "sigma0.1.ce", 0.1f, CooccurrenceLossName.CrossEntropy },
        { "sigma1.paper", 1f, CooccurrenceLossName.Paper },
        { "sigma1.ce", 1f, CooccurrenceLossName.CrossEntropy },
    };

    /// <summary>Test methods are public, the library's enum is not.</summary>
    public enum CooccurrenceLossName
    {
        Paper,
        CrossEntropy,
    }

    [Theory]
    [MemberData(nameof(GoldenRuns))]
    public void Forward_values_losses_gradients_and_steps_of_adam_equal_pytorchs(string run, float sigma, CooccurrenceLossName loss)
    {
        HeadTrainingData data = GoldenData();
        CooccurrenceOptions options = CooccurrenceOptions.Reference(sigma, epochs: 5) with
        {
            Loss = loss == CooccurrenceLossName.Paper ? CooccurrenceLoss.DoubleSoftmax : CooccurrenceLoss.CrossEntropy,
            Hidden1 = 32,
            Hidden2 = 16,
            Dropout = 0,
        };
        CooccurrenceShape shape = new(data.Layout, 3, 32, 16);
        HeadTensor[] initial = [.. shape.Parameters.Select(p => new HeadTensor(p.Name, p.Shape, Tensors.Values<float>($"weights.{p.Name}")))];
        using (CooccurrenceHead head = new(shape, options, Standardization.None(272), initial))
            AssertClose($"{run[..run.LastIndexOf('.')]}.logits", HeadProblems.Logits(head, data));
        AssertGradients(run, data, shape, options, initial);

        using CooccurrenceTrainer trainer = new(data, options, TestContext.Current.CancellationToken, initial);
        int[] all = [.. Enumerable.Range(0, 12)];
        double[] losses = [.. Golden.GetProperty("loss").GetProperty(run).EnumerateArray().Select(value => value.GetDouble())];
        for (int step = 0; step < 5; step++)
        {
            Assert.Equal(losses[step], trainer.Step(all), Tolerance);
            if (step == 0) AssertParameters($"{run}.step1");
        }
        AssertParameters($"{run}.step5");

        void AssertParameters(string prefix)
        {
            foreach (HeadTensor parameter in trainer.Parameters) AssertClose($"{prefix}.{parameter.Name}", parameter.Values);
        }
    }

    [Theory]
    [InlineData(false, FusionOperators.Cooccurrence)]
    [InlineData(true, FusionOperators.Cooccurrence)]
    [InlineData(false, FusionOperators.Mean)]
    [InlineData(false, FusionOperators.Max)]
    [InlineData(false, FusionOperators.Concat)]
    [InlineData(false, FusionOperators.Cooccurrence | FusionOperators.Mean | FusionOperators.Max | FusionOperators.Concat)]
    public void Gradients_through_unit_vectors_and_fusions_are_the_slope_of_the_loss(bool doubleSoftmax, FusionOperators fusion)
    {
        HeadTrainingData data = GoldenData();
        CooccurrenceOptions options = new()
        {
            Hidden1 = 32,
            Hidden2 = 16,
            Dropout = 0,
            Fusion = fusion,
            Loss = doubleSoftmax ? CooccurrenceLoss.DoubleSoftmax : CooccurrenceLoss.CrossEntropy,
        };
        CooccurrenceShape shape = new(data.Layout, 3, 32, 16, fusion);
        HeadTensor[] parameters = [.. shape.Initialize(1)];
        if (fusion == FusionOperators.Cooccurrence)
            parameters = [.. shape.Parameters.Select(p => new HeadTensor(p.Name, p.Shape, Tensors.Values<float>($"weights.{p.Name}")))];
        using GraphSession session = new(CooccurrenceGraph.TrainingStep(shape, options), threads: 1);
        (double loss, float[][] gradients) = LossAndGradients(session, data, shape, parameters);
        for (int p = 0; p < parameters.Length; p++)
        {
            float[] values = parameters[p].Values;
            int steepest = Array.IndexOf(gradients[p], gradients[p].MaxBy(Math.Abs));
            float before = values[steepest];
            const float Step = 1e-3f;
            values[steepest] = before + Step;
            double right = LossAndGradients(session, data, shape, parameters).Loss;
            values[steepest] = before - Step;
            double left = LossAndGradients(session, data, shape, parameters).Loss;
            values[steepest] = before;
            // ReLU and maximum have kinks: where one lies within the step, only the slope on the other side is the gradient.
            double[] slopes = [(right - loss) / Step, (loss - left) / Step];
            double nearest = slopes.MinBy(slope => Math.Abs(slope - gradients[p][steepest]));
            Assert.Equal(nearest, gradients[p][steepest], 0.03 * Math.Abs(nearest) + 2e-4);
        }
    }

    [Fact]
    public void Held_out_texts_of_separate_clusters_are_classified_and_probabilities_can_be_calibrated()
    {
        HeadTrainingData data = WithViews(HeadProblems.Clusters(600, 40, 4, seed: 1, spread: 0.7), 10, 10, 10, 10);
        CooccurrenceTraining training = CooccurrenceTrainer.Train(data, Small, progress: null, TestContext.Current.CancellationToken);
        using CooccurrenceHead head = training.Head;
        Assert.InRange(HeadProblems.Accuracy(head, WithViews(HeadProblems.Clusters(400, 40, 4, seed: 2, spread: 0.7), 10, 10, 10, 10)), 0.97, 1);
        Assert.Equal(60, training.HeldOutRows.Length);
        Assert.Equal(240, training.HeldOutLogits.Length);
        Assert.InRange(training.Temperature, 0.05, 20);
    }

    [Fact]
    public void A_class_that_only_products_of_views_tell_is_learned_and_no_linear_head_can()
    {
        HeadTrainingData data = Products(2000, seed: 1), others = Products(1000, seed: 2);
        using CooccurrenceHead head = CooccurrenceTrainer.Train(data, Small, progress: null, TestContext.Current.CancellationToken).Head;
        using LinearHead linear = LinearHeadTrainer.Train(data, new LinearOptions(), progress: null, TestContext.Current.CancellationToken).Head;
        Assert.InRange(HeadProblems.Accuracy(head, others), 0.95, 1);
        Assert.InRange(HeadProblems.Accuracy(linear, others), 0.4, 0.6);
    }

    [Fact]
    public void Balanced_weights_find_more_of_a_rare_class()
    {
        HeadTrainingData Rare(ulong seed) => HeadProblems.Clusters(1000, 10, 2, seed, spread: 4, row => row % 20 == 0 ? 1 : 0);
        double plain = Recall(ClassWeighting.None), balanced = Recall(ClassWeighting.Balanced);
        Assert.True(balanced > plain + 0.2, $"recall {balanced} with balanced weights, {plain} without");

        double Recall(ClassWeighting weighting)
        {
            CooccurrenceOptions options = Small with { ClassWeighting = weighting, MaxEpochs = 15, MinSteps = 0 };
            using CooccurrenceHead head = CooccurrenceTrainer.Train(Rare(1), options, progress: null, TestContext.Current.CancellationToken).Head;
            return HeadProblems.Predictions(head, Rare(2)).Where((_, row) => row % 20 == 0).Average();
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_bytes_with_any_number_of_threads_and_another_seed_others()
    {
        HeadTrainingData data = WithViews(HeadProblems.Clusters(150, 40, 3, seed: 3, spread: 4), 20, 20);
        float[][] Trained(ulong seed, int threads)
        {
            CooccurrenceOptions options = Small with { Seed = seed, Threads = threads, MaxEpochs = 3, MinSteps = 0 };
            using CooccurrenceHead head = CooccurrenceTrainer.Train(data, options, progress: null, TestContext.Current.CancellationToken).Head;
            return [.. head.Tensors.Select(tensor => tensor.Values)];
        }

        Assert.Equal(Trained(1, 2), Trained(1, 2));
        Assert.Equal(Trained(1, 1), Trained(1, 2));
        Assert.NotEqual(Trained(1, 2), Trained(2, 2));
    }

    [Fact]
    public void The_reference_recipe_trains_on_all_rows_for_the_given_epochs()
    {
        HeadTrainingData data = HeadProblems.Clusters(60, 12, 3, seed: 4);
        HeadProblems.Reports progress = [];
        CooccurrenceOptions options = CooccurrenceOptions.Reference(0.1f, epochs: 4) with { Hidden1 = 32, Hidden2 = 16 };
        CooccurrenceTraining training = CooccurrenceTrainer.Train(data, options, progress, TestContext.Current.CancellationToken);
        training.Head.Dispose();
        Assert.Equal(4, training.Epochs);
        Assert.Empty(training.HeldOutRows);
        Assert.Equal(1, training.Temperature);
        Assert.Equal([0, 0.25, 0.5, 0.75, 1], progress.Select(report => (double)report.Done / report.Total));
    }

    [Fact]
    public void Training_stops_early_and_keeps_the_best_weights()
    {
        HeadTrainingData clusters = HeadProblems.Clusters(200, 20, 2, seed: 5);
        DeterministicRandom random = new(6);
        HeadTrainingData noise = HeadProblems.Data(clusters.Features.Block(0, 200).ToArray(), [.. clusters.Labels.Select(_ => random.Next(2))], 2);
        CooccurrenceTraining training = CooccurrenceTrainer.Train(
            noise, Small with { Patience = 2, Dropout = 0 }, progress: null, TestContext.Current.CancellationToken);
        Assert.InRange(training.Epochs, 1, 300);
        int[] labels = [.. training.HeldOutRows.Select(row => noise.Labels[row])];
        HeadTrainingData heldOut = new(noise.Features.Select(training.HeldOutRows), labels, 2, noise.Layout);
        Assert.Equal(
            training.HeldOutLogits.Select(logit => (float)logit), HeadProblems.Logits(training.Head, heldOut).Select(l => l), new Close(1e-5f));
        training.Head.Dispose();
    }

    [Fact]
    public void A_row_has_the_same_logits_in_any_batch_and_after_loading()
    {
        HeadTrainingData data = WithViews(HeadProblems.Clusters(300, 40, 3, seed: 7), 20, 20);
        using CooccurrenceHead head = CooccurrenceTrainer.Train(
            data, Small with { MaxEpochs = 2, MinSteps = 0 }, progress: null, TestContext.Current.CancellationToken).Head;
        JsonObject settings = JsonNode.Parse(head.Settings.ToJsonString())!.AsObject();
        using CooccurrenceHead loaded = CooccurrenceHead.Load(head.Tensors, settings, data.Layout, 3, threads: 1);
        float[] together = HeadProblems.Logits(head, data);
        float[] alone = new float[3];
        foreach (int row in new[] { 0, 99, 255, 256, 299 })
        {
            loaded.Logits(data.Features.Row(row), 1, alone);
            Assert.Equal(together[(row * 3)..(row * 3 + 3)], alone, new Close(1e-5f));
        }
        Assert.Equal("cooccurrence", loaded.Kind);
        Assert.Equal((40, 3), (loaded.FeatureCount, loaded.ClassCount));
    }

    [Theory]
    [InlineData("sigma", "\"big\"")]
    [InlineData("gram_vectors", "\"Sphere\"")]
    [InlineData("hidden1", "null")]
    public void A_setting_that_is_not_understood_is_named(string key, string value)
    {
        FeatureLayout layout = HeadProblems.Layout(4);
        CooccurrenceShape shape = new(layout, 2, 8, 4);
        using CooccurrenceHead head = new(shape, Small, Standardization.None(4), shape.Initialize(seed: 0));
        head.Settings[key] = JsonNode.Parse(value);
        string message = Assert.Throws<LlmEmbedException>(() => CooccurrenceHead.Load(head.Tensors, head.Settings, layout, 2, threads: 1)).Message;
        Assert.Contains($"'{key}' of the head is {(value == "null" ? "missing" : value)}", message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_published_sizes_have_the_published_number_of_parameters()
    {
        List<FeatureView> views = [.. Enumerable.Range(0, 5).Select(i => new FeatureView("llama", 32 - i, Pooling.MeanWithPads, 4096 * i, 4096))];
        views.Add(new FeatureView("bert", 24, Pooling.Pooler, 20480, 1024));
        views.Add(new FeatureView("roberta", 24, Pooling.First, 21504, 1024));
        CooccurrenceShape shape = new(new FeatureLayout(views), classCount: 52, hidden1: 1024, hidden2: 256);
        long count = shape.Parameters.Sum(p => p.Shape.Aggregate(1L, (product, size) => product * size));
        Assert.Equal(25_484_544 + 257 * 52, count);
        Assert.Equal(22_528, shape.Layout.FeatureCount);
    }

    [Fact]
    public void Views_of_other_backbones_are_compressed_only_where_their_size_differs()
    {
        FeatureView[] views = [new("a", 1, Pooling.Last, 0, 20), new("b", 1, Pooling.Mean, 20, 8), new("c", 1, Pooling.Mean, 28, 6)];
        CooccurrenceShape shape = new(new FeatureLayout(views), 2, 4, 4);
        Assert.Equal(8, shape.Width);
        Assert.Equal([0, 2], shape.CompressedViews);
        Assert.Equal(2000, new CooccurrenceShape(HeadProblems.Layout(2000), 2, 4, 4).Parameters[0].Shape[1]);
        Assert.Equal(1024, new CooccurrenceShape(HeadProblems.Layout(2000), 2, 4, 4).Width);
    }

    [Fact]
    public void Cancellation_ends_the_training()
    {
        using CancellationTokenSource source = new();
        source.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(
            () => CooccurrenceTrainer.Train(
                HeadProblems.Clusters(50, 8, 2, seed: 8), Small with { Standardize = false }, progress: null, source.Token));
    }

    private static HeadTrainingData GoldenData()
    {
        List<FeatureView> views = [.. Enumerable.Range(0, 5).Select(i => new FeatureView("llama", 5 - i, Pooling.MeanWithPads, 48 * i, 48))];
        views.Add(new FeatureView("bert", 2, Pooling.Pooler, 240, 16));
        views.Add(new FeatureView("roberta", 2, Pooling.First, 256, 16));
        float[][] parts = [Tensors.Values<float>("llama"), Tensors.Values<float>("bert"), Tensors.Values<float>("roberta")];
        float[] features =
        [
            .. Enumerable.Range(0, 12).SelectMany(row => parts.SelectMany(part => part.AsSpan(row * part.Length / 12, part.Length / 12).ToArray())),
        ];
        return new HeadTrainingData(new ArrayFeatures(features, 12, 272), Tensors.Labels("labels"), 3, new FeatureLayout(views));
    }

    private static void AssertGradients(
        string run, HeadTrainingData data, CooccurrenceShape shape, CooccurrenceOptions options, HeadTensor[] parameters)
    {
        using GraphSession session = new(CooccurrenceGraph.TrainingStep(shape, options), threads: 1);
        (_, float[][] gradients) = LossAndGradients(session, data, shape, parameters);
        for (int p = 0; p < parameters.Length; p++) AssertClose($"{run}.grad.{parameters[p].Name}", gradients[p]);
    }

    private static (float Loss, float[][] Gradients) LossAndGradients(
        GraphSession session, HeadTrainingData data, CooccurrenceShape shape, HeadTensor[] parameters)
    {
        ViewBatch batch = new(data.Layout, Standardization.None(data.Features.Columns), data.Rows);
        for (int row = 0; row < data.Rows; row++) batch.Add(data.Features.Row(row));
        float[] targets = new float[data.Rows * 3];
        for (int row = 0; row < data.Rows; row++) targets[row * 3 + data.Labels[row]] = 1f / data.Rows;
        using GraphFeeds feeds = batch.Feeds().Add("targets", targets, data.Rows, 3);
        foreach (HeadTensor parameter in parameters) feeds.Add(parameter.Name, parameter.Values, parameter.Shape);
        using GraphResults results = session.Run(feeds);
        return (results.Span<float>(0)[0], [.. Enumerable.Range(1, shape.Parameters.Count).Select(p => results.Span<float>(p).ToArray())]);
    }

    private static HeadTrainingData WithViews(HeadTrainingData data, params int[] sizes) =>
        new(data.Features, data.Labels, data.ClassCount, HeadProblems.Layout(sizes));

    /// <summary>
    /// Class 1 where the second view is the first one turned in a fixed way, class 0 where it is the opposite of that: each view alone says nothing.
    /// </summary>
    private static HeadTrainingData Products(int rows, ulong seed)
    {
        const int Size = 12;
        DeterministicRandom random = new(seed);
        int[] labels = [.. Enumerable.Range(0, rows).Select(row => row % 2)];
        float[] features = new float[rows * 2 * Size];
        for (int row = 0; row < rows; row++)
            for (int i = 0; i < Size; i++)
            {
                double value = HeadProblems.Normal(random);
                features[row * 2 * Size + i] = (float)value;
                double turned = labels[row] == 1 ? value : -value;
                features[row * 2 * Size + Size + (i + 3) % Size] = (float)(turned + 0.3 * HeadProblems.Normal(random));
            }
        return new HeadTrainingData(new ArrayFeatures(features, rows, 2 * Size), labels, 2, HeadProblems.Layout(Size, Size));
    }

    private static void AssertClose(string golden, float[] found) => Assert.Equal(Tensors.Values<float>(golden), found, new Close((float)Tolerance));

    /// <summary>Equal within a share of the larger of 1 and the value.</summary>
    private sealed class Close(float tolerance) : IEqualityComparer<float>
    {
        public bool Equals(float x, float y) => Math.Abs(x - y) <= tolerance * Math.Max(1, Math.Abs(x));

        public int GetHashCode(float obj) => 0;
    }
}
