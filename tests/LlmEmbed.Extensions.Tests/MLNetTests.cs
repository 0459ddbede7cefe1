using System.Diagnostics;
using Microsoft.ML;
using Microsoft.ML.Data;
using Xunit;

namespace LlmEmbed.Tests;

public sealed class MLNetTests : IDisposable
{
    private static readonly Request[] Requests =
    [
        new("my parcel is late", "delivery"), new("the invoice price is wrong", "billing"), new(" ", "billing"), new("a late courier", "delivery"),
    ];

    private readonly TemporaryFolder _folder = new();
    private readonly TextClassifier _classifier = Models.Load(Models.Classifier);

    /// <summary>The folder as a pipeline names it: one with characters that are special in ML.NET's expressions.</summary>
    private readonly string _named;

    public MLNetTests()
    {
        _named = _folder.File("it's my \"model\" \\ modèle");
        LlmEmbedClassifiers.Use(_named, _classifier);
    }

    public void Dispose()
    {
        _classifier.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_pipeline_classifies_a_column_as_the_classifier_does()
    {
        MLContext ml = new(seed: 1);
        IDataView data = ml.Data.LoadFromEnumerable(Requests);
        IDataView result = ml.Transforms.LlmEmbedPredict(_named).Fit(data).Transform(data);
        Assert.Equal(
            ["Text", "Label", "PredictedLabel", "Probability", "Score", "IsTruncated"],
            result.Schema.Where(column => !column.IsHidden).Select(column => column.Name));
        AssertPredictions(ml.Data.CreateEnumerable<Answer>(result, reuseRowObject: false));

        VBuffer<ReadOnlyMemory<char>> slots = default;
        result.Schema["Score"].GetSlotNames(ref slots);
        Assert.Equal(_classifier.Labels, slots.DenseValues().Select(name => name.ToString()));
        Assert.Equal(2, Assert.IsType<VectorDataViewType>(result.Schema["Score"].Type).Size);
    }

    [Fact]
    public void A_saved_pipeline_predicts_the_same_after_loading()
    {
        string file = Save(_named);
        MLContext other = new();
        other.ComponentCatalog.RegisterAssembly(typeof(LlmEmbedTransforms).Assembly);
        ITransformer loaded = other.Model.Load(file, out _);
        AssertPredictions(other.Data.CreateEnumerable<Answer>(loaded.Transform(other.Data.LoadFromEnumerable(Requests)), reuseRowObject: false));
        using PredictionEngine<Request, Answer> engine = other.Model.CreatePredictionEngine<Request, Answer>(loaded);
        Assert.Equal("delivery", engine.Predict(new Request("my parcel is late", "")).PredictedLabel);
    }

    [Fact]
    public async Task A_saved_pipeline_works_in_another_process()
    {
        // This program again, with the one test that loads a pipeline and predicts.
        string file = Save(Models.Classifier);
        string test = $"*.{nameof(MLNetTests)}.{nameof(A_loaded_pipeline_finds_its_classifier_by_itself)}";
        ProcessStartInfo start = new(Environment.ProcessPath!, ["-method", test])
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
            Environment = { [PipelineVariable] = file, ["LLMEMBED_MODELS"] = Repository.Fixtures },
        };
        using Process process = Process.Start(start)!;
        string output = await process.StandardOutput.ReadToEndAsync(Models.Cancellation);
        await process.WaitForExitAsync(Models.Cancellation);
        Assert.True(process.ExitCode == 0, output);
        Assert.Contains("predicted delivery, billing", output, StringComparison.Ordinal);
    }

    private const string PipelineVariable = "LLMEMBED_TEST_PIPELINE";

    [Fact]
    public void A_loaded_pipeline_finds_its_classifier_by_itself()
    {
        string file = Environment.GetEnvironmentVariable(PipelineVariable) ?? Save(Models.Classifier);
        MLContext ml = new();
        ml.ComponentCatalog.RegisterAssembly(typeof(LlmEmbedTransforms).Assembly);
        IDataView result = ml.Model.Load(file, out _).Transform(ml.Data.LoadFromEnumerable(Requests[..2]));
        string[] labels = [.. result.GetColumn<string>("PredictedLabel")];
        Assert.Equal(["delivery", "billing"], labels);
        Console.WriteLine($"predicted {string.Join(", ", labels)}");
    }

    [Fact]
    public void Features_train_a_model_of_mlnet_that_is_saved_behind_them()
    {
        MLContext ml = new(seed: 1);
        using TextEncoder encoder = Models.Encoder();
        IDataView data = ml.Data.LoadFromEnumerable(Enumerable.Range(0, 8).SelectMany(
            i => new Request[] { new($"{i} parcel late courier", "delivery"), new($"{i} invoice price refund", "billing") }));
        IEstimator<ITransformer> features = ml.Transforms.LlmEmbedFeatures(encoder, nameof(Request.Text));
        IDataView read = ml.Data.Cache(features.Fit(data).Transform(data));
        Assert.Equal(encoder.HiddenSize, Assert.IsType<VectorDataViewType>(read.Schema["Features"].Type).Size);
        TextEmbeddings expected = encoder.Encode(["0 parcel late courier"], progress: null, Models.Cancellation);
        Assert.Equal(expected[0].ToArray(), read.GetColumn<float[]>("Features").First());
        ITransformer trained = ml.Transforms.Conversion.MapValueToKey("Label")
            .Append(ml.MulticlassClassification.Trainers.LbfgsMaximumEntropy())
            .Append(ml.Transforms.Conversion.MapKeyToValue("PredictedLabel")).Fit(read);
        string file = _folder.File("behind.zip");
        ml.Model.Save(trained, read.Schema, file);

        MLContext other = new();
        IDataView texts = other.Data.LoadFromEnumerable([new Request("99 parcel late courier", ""), new Request("99 invoice price refund", "")]);
        IDataView again = other.Transforms.LlmEmbedFeatures(encoder).Fit(texts).Transform(texts);
        Assert.Equal(["delivery", "billing"], other.Model.Load(file, out _).Transform(again).GetColumn<string>("PredictedLabel"));
        // The step itself cannot be saved, and ML.NET says so.
        Assert.Contains(
            "cannot be saved",
            Assert.ThrowsAny<Exception>(() => ml.Model.Save(features.Fit(data), data.Schema, _folder.File("features.zip"))).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_without_a_classifier_is_refused_when_the_pipeline_is_made()
    {
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => new MLContext().Transforms.LlmEmbedPredict(_folder.File("nothing")));
        Assert.Contains("there is no such folder", error.Message, StringComparison.Ordinal);
    }

    private string Save(string folder)
    {
        MLContext ml = new();
        IDataView data = ml.Data.LoadFromEnumerable(Requests);
        if (folder != _named) LlmEmbedClassifiers.Use(folder, _classifier);
        string file = _folder.File("pipeline.zip");
        ml.Model.Save(ml.Transforms.LlmEmbedPredict(folder).Fit(data), data.Schema, file);
        return file;
    }

    private void AssertPredictions(IEnumerable<Answer> answers)
    {
        Prediction[] expected = [.. Requests.Select(request => _classifier.Predict(request.Text))];
        Answer[] found = [.. answers];
        Assert.Equal(expected.Select(prediction => prediction.Label), found.Select(answer => answer.PredictedLabel));
        Assert.Equal(["delivery", "billing", "", "delivery"], found.Select(answer => answer.PredictedLabel));
        foreach ((Prediction prediction, Answer answer) in expected.Zip(found))
        {
            Assert.Equal(prediction.Probability, answer.Probability, 1e-5);
            foreach (LabelProbability item in prediction.Ranked)
                Assert.Equal(item.Probability, answer.Score[_classifier.Labels.Index().Single(label => label.Item == item.Label).Index], 1e-5);
        }
    }

    public sealed class Request(string text, string label)
    {
        public Request()
            : this("", "")
        {
        }

        public string Text { get; set; } = text;

        public string Label { get; set; } = label;
    }

    public sealed class Answer
    {
        public string PredictedLabel { get; set; } = "";

        public float Probability { get; set; }

        public float[] Score { get; set; } = [];
    }
}
