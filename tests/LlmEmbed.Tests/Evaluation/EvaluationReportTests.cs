using System.Text.Json;
using System.Text.Json.Nodes;
using LlmEmbed.Evaluation;
using Xunit;

namespace LlmEmbed.Tests.Evaluation;

public sealed class EvaluationReportTests
{
    private const double Tolerance = 1e-9;
    private static readonly GoldenTensors Tensors = new("metrics", "metrics.safetensors");
    private static readonly JsonElement Golden = JsonDocument.Parse(File.ReadAllText(Repository.Fixture("metrics", "metrics.json"))).RootElement;

    [Theory]
    [InlineData("plain")]
    [InlineData("never_predicted")]
    [InlineData("absent_from_truth")]
    [InlineData("binary")]
    [InlineData("ties")]
    [InlineData("all_one_class_truth")]
    public void Every_figure_equals_scikit_learns(string name)
    {
        JsonElement golden = Golden.GetProperty($"metrics.{name}");
        EvaluationReport report = Report(name);
        AssertClose("accuracy", report.Accuracy);
        AssertClose("macro_f1", report.MacroF1);
        AssertClose("micro_f1", report.MicroF1);
        AssertClose("weighted_f1", report.WeightedF1);
        AssertClose("log_loss", report.LogLoss);
        AssertClose("brier_sum_over_classes", report.BrierScore);
        AssertClose("ece_15", report.ExpectedCalibrationError);
        AssertClose("matthews", report.MatthewsCorrelation);
        AssertAllClose("precision", c => c.Precision);
        AssertAllClose("recall", c => c.Recall);
        AssertAllClose("f1", c => c.F1);
        AssertAllClose("support", c => c.Support);
        Assert.Equal(
            golden.GetProperty("confusion_rows_truth").EnumerateArray().Select(row => row.EnumerateArray().Select(count => count.GetInt32())),
            report.ConfusionMatrix);
        if (golden.GetProperty("roc_auc_ovr_macro").ValueKind == JsonValueKind.Null) Assert.Null(report.RocAuc);
        else AssertClose("roc_auc_ovr_macro", report.RocAuc!.Value);

        void AssertClose(string key, double found) => Assert.Equal(golden.GetProperty(key).GetDouble(), found, Tolerance);

        void AssertAllClose(string key, Func<ClassScore, double> score)
        {
            double[] expected = [.. golden.GetProperty(key).EnumerateArray().Select(value => value.GetDouble())];
            Assert.Equal(expected.Length, report.Classes.Count);
            for (int c = 0; c < expected.Length; c++) Assert.Equal(expected[c], score(report.Classes[c]), Tolerance);
        }
    }

    [Fact]
    public void The_json_is_one_object_with_the_documented_keys()
    {
        EvaluationReport report = Report("plain");
        JsonObject json = JsonNode.Parse(report.ToJson())!.AsObject();
        string[] expected =
        [
            "accuracy", "accuracy_high", "accuracy_low", "brier", "classes", "confusion_matrix", "coverage", "ece", "log_loss",
            "macro_f1", "macro_f1_high", "macro_f1_low", "mcc", "micro_f1", "n", "overlap", "roc_auc", "weighted_f1",
        ];
        Assert.Equal(expected, json.Select(pair => pair.Key).Order(StringComparer.Ordinal));
        Assert.Equal(report.Accuracy, json["accuracy"]!.GetValue<double>());
        Assert.Equal(report.ConfusionMatrix[1][2], json["confusion_matrix"]![1]![2]!.GetValue<int>());
        Assert.Equal(
            ["f1", "label", "precision", "recall", "support"],
            json["classes"]![0]!.AsObject().Select(pair => pair.Key).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void An_undefined_area_under_the_curve_is_null_in_the_json()
    {
        JsonObject json = JsonNode.Parse(Report("all_one_class_truth").ToJson())!.AsObject();
        Assert.True(json.ContainsKey("roc_auc"));
        Assert.Null(json["roc_auc"]);
    }

    [Fact]
    public void A_label_the_classifier_does_not_know_is_an_error_with_a_row_of_its_own()
    {
        EvaluationReport report = EvaluationReport.Compute(["a", "b", "new"], [0.9, 0.1, 0.2, 0.8, 0.6, 0.4], [0, 1, 2]);
        Assert.Equal(2.0 / 3, report.Accuracy, Tolerance);
        Assert.Equal([[1, 0, 0], [0, 1, 0], [1, 0, 0]], report.ConfusionMatrix);
        Assert.Equal(new ClassScore("new", 0, 0, 0, 1), report.Classes[2]);
        Assert.Equal((0.02 + 0.08 + 0.36 + 0.16 + 1) / 3, report.BrierScore, Tolerance);
        Assert.True(report.LogLoss > 12, "its probability is 0");
        Assert.Equal(1, report.RocAuc!.Value, Tolerance);
    }

    [Fact]
    public void The_interval_is_wilsons()
    {
        // The figures for 9 of 10 were computed by hand: the centre is (0.9 + z²/20) / (1 + z²/10).
        double[] probabilities = [.. Enumerable.Range(0, 10).SelectMany(i => i == 0 ? new[] { 0.1, 0.9 } : [0.9, 0.1])];
        EvaluationReport report = EvaluationReport.Compute(["a", "b"], probabilities, new int[10]);
        Assert.Equal(0.5958499732047615, report.AccuracyInterval.Low, Tolerance);
        Assert.Equal(0.9821237869049271, report.AccuracyInterval.High, Tolerance);
        Assert.InRange(report.Accuracy, report.AccuracyInterval.Low, report.AccuracyInterval.High);
    }

    [Fact]
    public void Single_precision_probabilities_give_the_same_report()
    {
        float[] probabilities = Tensors.Narrowed("metrics.plain.probabilities");
        EvaluationReport report = EvaluationReport.Compute(Labels(4), probabilities, Tensors.Labels("metrics.plain.labels"));
        Assert.Equal(Report("plain").LogLoss, report.LogLoss, 1e-6);
    }

    [Fact]
    public void A_probability_that_is_not_a_number_is_refused_by_class_and_text()
    {
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => EvaluationReport.Compute(["a", "b"], [0.5, 0.5, double.NaN, 1], [0, 1]));
        Assert.Contains("class 'a' for text 1 is NaN", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_to_evaluate_is_refused()
    {
        Assert.Contains(
            "0 labelled texts",
            Assert.Throws<LlmEmbedException>(() => EvaluationReport.Compute(["a"], ReadOnlySpan<double>.Empty, [])).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void The_summary_has_the_main_figures()
    {
        Assert.StartsWith("accuracy 58.00 % (", Report("plain").ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("overconfident")]
    [InlineData("underconfident")]
    public void The_temperature_has_the_least_loss(string name)
    {
        JsonElement golden = Golden.GetProperty("temperature").GetProperty(name);
        double[] logits = Tensors.Values<double>($"temperature.{name}.logits");
        int[] labels = Tensors.Labels($"temperature.{name}.labels");
        double temperature = TemperatureScaling.Fit(logits, labels);
        Assert.Equal(golden.GetProperty("T").GetDouble(), temperature, 1e-6);
        Assert.Equal(golden.GetProperty("nll_before").GetDouble(), TemperatureScaling.NegativeLogLikelihoods(logits, labels, 1).Average(), Tolerance);
        Assert.Equal(
            golden.GetProperty("nll_after").GetDouble(),
            TemperatureScaling.NegativeLogLikelihoods(logits, labels, temperature).Average(),
            Tolerance);

        float[] probabilities = [.. logits.Select(logit => (float)logit)];
        TemperatureScaling.ToProbabilities(probabilities, 5, temperature);
        Assert.Equal(
            golden.GetProperty("ece_15_after").GetDouble(),
            EvaluationReport.Compute(Labels(5), probabilities, labels).ExpectedCalibrationError,
            1e-6);
    }

    [Fact]
    public void Few_texts_that_are_all_right_do_not_ask_for_certainty()
    {
        double[] logits = [0.1, 0, 0, 0.1, 0.2, 0, 0, 0.3];
        int[] labels = [0, 1, 0, 1];
        Assert.Equal(0.01, TemperatureScaling.Fit(logits, labels), Tolerance);
        Assert.InRange(TemperatureScaling.Fit(logits, labels, smoothing: 1.0 / 6), 0.03, 1);
    }

    [Fact]
    public void Mc_nemars_probability_is_exact()
    {
        foreach (JsonElement golden in Golden.GetProperty("mcnemar_exact").EnumerateArray())
        {
            double p = McNemarTest.ExactP(golden.GetProperty("only_first_right").GetInt32(), golden.GetProperty("only_second_right").GetInt32());
            Assert.Equal(1, p / golden.GetProperty("p").GetDouble(), Tolerance);
        }
    }

    private static EvaluationReport Report(string name)
    {
        double[] probabilities = Tensors.Values<double>($"metrics.{name}.probabilities");
        int[] truth = Tensors.Labels($"metrics.{name}.labels");
        return EvaluationReport.Compute(Labels(probabilities.Length / truth.Length), probabilities, truth);
    }

    private static string[] Labels(int count) => [.. Enumerable.Range(0, count).Select(c => $"class {c}")];
}
