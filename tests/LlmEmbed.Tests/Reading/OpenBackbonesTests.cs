using System.Collections.Concurrent;
using LlmEmbed.Bundles;
using LlmEmbed.Reading;
using Xunit;

namespace LlmEmbed.Tests.Reading;

public sealed class OpenBackbonesTests : IDisposable
{
    private static readonly string[] Texts = ["the courier is late", "a refund of the invoice", "the screen shows an error"];

    private readonly TemporaryFolder _folder = new();
    private readonly OpenBackbones _backbones = new(Requests.Runtime);

    public void Dispose()
    {
        _backbones.Dispose();
        _folder.Dispose();
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void Two_classifiers_and_an_encoder_share_their_backbones_and_give_what_they_give_alone()
    {
        // Both classifiers read bert, at different views.
        string[] folders = [_folder.File("both"), _folder.File("one")];
        TrainingOptions[] trainings =
        [
            Requests.Options(ViewSelection.Default, "llama-gqa", "bert"),
            Requests.Options(ViewSelection.At("1,2"), "bert"),
        ];
        foreach ((string folder, TrainingOptions options) in folders.Zip(trainings))
        {
            using TextClassifier trained = Requests.Train(Requests.Generate(30), options);
            trained.Save(folder);
        }
        LabelProbability[][] alone = [.. folders.Select(folder =>
        {
            using TextClassifier classifier = Requests.LoadClassifier(folder);
            return Predict(classifier);
        })];
        float[] embeddings;
        using (TextEncoder encoder = Requests.LoadEncoder("bert")) embeddings = Encode(encoder);

        using TextClassifier both = TextClassifier.Load(folders[0], _backbones, progress: null, Cancellation);
        using TextClassifier one = TextClassifier.Load(folders[1], _backbones, progress: null, Cancellation);
        using TextEncoder shared = TextEncoder.Load("bert", options: null, _backbones, progress: null, Cancellation);
        Assert.Equal(["llama-gqa", "bert"], _backbones.Names);
        Assert.Equal(alone[0], Predict(both));
        Assert.Equal(alone[1], Predict(one));
        Assert.Equal(embeddings, Encode(shared));

        both.Dispose();
        Assert.Equal(alone[1], Predict(one));
        one.Dispose();
        Assert.Equal(embeddings, Encode(shared));
        Assert.Equal(["llama-gqa", "bert"], _backbones.Names);
    }

    [Fact]
    public void A_training_leaves_its_backbones_open_for_others()
    {
        using TextClassifier classifier = TextClassifier.Train(
            Requests.Generate(60), Requests.Options("llama-gqa", "bert") with { HeldOutShare = 0.25 }, _backbones, progress: null, Cancellation);
        Assert.Equal(["llama-gqa", "bert"], _backbones.Names);
    }

    /// <summary>The starter's weights are large enough for hashing to be reported.</summary>
    [Fact]
    public void The_weights_of_a_backbone_are_hashed_once()
    {
        Stages stages = new();
        TrainingOptions options = Requests.Options(ViewSelection.At("0"), "smollm2-135m-instruct") with { HeldOutShare = 0.25 };
        using TextClassifier classifier = TextClassifier.Train(Requests.Generate(60), options, _backbones, stages, Cancellation);
        using TextEncoder encoder = TextEncoder.Load("smollm2-135m-instruct", options: null, _backbones, stages, Cancellation);
        Assert.Single(stages.Finished, "Checking the weights");
    }

    [Fact]
    public void Files_of_an_open_backbone_are_not_read_again()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows does not let go of a file that is mapped.");
        string folder = _folder.CopyFixture("llama-gqa");
        using TextEncoder encoder = TextEncoder.Load(folder, options: null, _backbones, progress: null, Cancellation);
        File.Delete(Path.Combine(folder, "model.safetensors"));
        File.Delete(Path.Combine(folder, "tokenizer.json"));
        using TextClassifier classifier = TextClassifier.Train(
            Requests.Generate(60), Requests.Options(folder) with { HeldOutShare = 0.25 }, _backbones, progress: null, Cancellation);
        Assert.Equal("delivery", classifier.Predict(Texts[0]).Label);
        classifier.Save(_folder.File("model"));
        string saved = Assert.Single(ClassifierBundle.ReadManifest(_folder.File("model")).Backbones).WeightsSha256;
        Assert.Equal(encoder.Reader.Backbone.WeightsSha256, saved);
    }

    [Fact]
    public void What_reads_with_backbones_that_are_closed_says_so()
    {
        using TextEncoder encoder = TextEncoder.Load("bert", options: null, _backbones, progress: null, Cancellation);
        Encode(encoder);
        _backbones.Dispose();
        Assert.Throws<ObjectDisposedException>(() => Encode(encoder));
    }

    /// <summary>The stages that came to their end, one after the other.</summary>
    private sealed class Stages : IProgress<WorkProgress>
    {
        public ConcurrentQueue<string> Finished { get; } = [];

        public void Report(WorkProgress value)
        {
            if (value.Done == value.Total) Finished.Enqueue(value.Stage);
        }
    }

    private static LabelProbability[] Predict(TextClassifier classifier) =>
        [.. classifier.Predict(Texts, Cancellation).SelectMany(prediction => prediction.Ranked)];

    private static float[] Encode(TextEncoder encoder) => encoder.Encode(Texts, progress: null, Cancellation).Values.ToArray();
}
