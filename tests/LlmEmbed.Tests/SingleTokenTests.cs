using System.Numerics.Tensors;
using System.Text.Json.Nodes;
using LlmEmbed.Reading;
using LlmEmbed.Tests.Models;
using Xunit;

namespace LlmEmbed.Tests;

/// <summary>
/// A text of one token is the first token of all to a decoder, whose state says little of the text. Training may read it behind a line break, and
/// says so; whoever asks for hidden states gets the model's own.
/// </summary>
public sealed class SingleTokenTests : IDisposable
{
    /// <summary>Tokenizers that put nothing before a text.</summary>
    private static readonly string[] Plain = ["llama-gqa", "qwen2", "qwen3"];

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Decoders => [.. Plain];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Decoders))]
    public void States_that_are_asked_for_are_the_models_own_whatever_is_asked_for_beside(string folder)
    {
        using Golden golden = Golden.OfFixture(folder);
        int single = Array.FindIndex(golden.Ids, ids => ids.Length == 1);
        Pooling[][] asked =
        [
            [Pooling.Last], [Pooling.MeanSkipFirst], [Pooling.Last, Pooling.MeanSkipFirst], [Pooling.Last, Pooling.Mean],
            [Pooling.Last, Pooling.First],
        ];
        foreach (Pooling[] poolings in asked)
        {
            using TextEncoder encoder = Requests.LoadEncoder(folder, new()
            {
                Views = ViewSelection.At("all", poolings),
                MaxTokens = golden.MaxTokens,
                Precision = Precision.Fp32,
            });
            AssertGolden(golden, single, encoder, encoder.Encode([golden.Texts[single]], cancellationToken: Cancellation), row: 0);
            AssertGolden(golden, single, encoder, encoder.Encode(golden.Texts, cancellationToken: Cancellation), row: single);
        }
    }

    [Fact]
    public void Hello_has_the_norms_that_transformers_computes_for_smollm2()
    {
        using TextEncoder encoder = Requests.LoadEncoder(
            "smollm2-135m-instruct", new() { Views = ViewSelection.At("0,1", [Pooling.Last]), Precision = Precision.Fp32 });
        TextEmbeddings hello = encoder.Encode(["Hello"], cancellationToken: Cancellation);
        Assert.Equal(1, hello.Statistics.Tokens);
        Assert.Equal(62.8, TensorPrimitives.Norm(hello[0, 1]), tolerance: 0.05);
    }

    [Fact]
    public void A_prompt_behind_the_text_changes_nothing_of_the_text()
    {
        EncoderOptions options = new() { Views = ViewSelection.At("all", [Pooling.MeanSkipFirst]), Precision = Precision.Fp32 };
        using TextEncoder plain = Requests.LoadEncoder("qwen2", options), prompted = Requests.LoadEncoder(
            "qwen2", options with { Prompt = "{text}\nLabel:" });
        Vectors.AssertSame(
            plain.Encode(["A"], cancellationToken: Cancellation), prompted.Encode(["A"], cancellationToken: Cancellation), 1e-5f);
    }

    /// <summary>Its only state would be that of a first token, which for many words is tens of times as long as others.</summary>
    [Fact]
    public void Training_reads_it_behind_a_line_break_and_one_cache_holds_both_readings()
    {
        string[] texts = ["great", "terrible", "a film that is great"];
        using OpenBackbones backbones = new(Requests.Runtime with { CacheFolder = _folder.File("cache") });
        OpenBackbone open = backbones.Open("smollm2-135m-instruct", default);
        EncoderOptions options = new() { Views = ViewSelection.At("15", [Pooling.MeanSkipFirst, Pooling.Last]), Precision = Precision.Fp32 };
        BackbonePlan training = BackbonePlan.ForTraining(open, options);
        Assert.True(training.SingleTokensBehindLineBreak);
        Assert.Equal("texts of one token are read behind a line break", training.Lead);
        foreach (int computed in new[] { 3, 0 }) // the second time all comes from the store
        {
            TextEmbeddings own = Read(BackbonePlan.For(open, options)), led = Read(training);
            Assert.Equal((computed, computed), (own.Statistics.ComputedTexts, led.Statistics.ComputedTexts));
            double[] lengths = [.. Enumerable.Range(0, 3).Select(text => (double)TensorPrimitives.Norm(led[text, 0]))];
            Assert.All(lengths, length => Assert.InRange(length, lengths.Min(), 5 * lengths.Min()));
            Assert.InRange(TensorPrimitives.CosineSimilarity(led[0, 0], led[1, 0]), -1, 0.95f);
            Assert.InRange(TensorPrimitives.Norm(own[0, 0]), 10 * lengths.Max(), double.MaxValue);
            Assert.Equal(own[2], led[2]);
        }

        TextEmbeddings Read(BackbonePlan plan)
        {
            using BackboneReader reader = new(open, plan, backbones.Runtime);
            return reader.Read(reader.Prepare(texts, Cancellation), new Work(Progress: null, Cancellation));
        }
    }

    [Theory]
    [InlineData("llama-gqa", "1", Pooling.Mean)] // the first token is asked for
    [InlineData("llama-mha", "1", Pooling.Last)] // the tokenizer puts a token before every text
    [InlineData("bert", "1", Pooling.Last)] // no decoder
    public void Training_says_nothing_of_a_line_break_where_it_reads_behind_none(string folder, string depths, Pooling pooling)
    {
        using OpenBackbones backbones = new(Requests.Runtime);
        BackbonePlan plan = BackbonePlan.ForTraining(backbones.Open(folder, default), new() { Views = ViewSelection.At(depths, [pooling]) });
        Assert.False(plan.SingleTokensBehindLineBreak);
        Assert.Equal("", plan.Lead);
    }

    [Fact]
    public void A_classifier_keeps_how_it_reads_says_it_and_predicts_as_it_was_trained()
    {
        const string Said = "texts of one token are read behind a line break";
        TrainingOptions options = Requests.Options(ViewSelection.At("1", [Pooling.Last]), "llama-gqa").WithFixed(
            recipe => recipe with { Precision = Precision.Fp32, Head = new HeadOptions.Linear() });
        using TextClassifier trained = Requests.Train(Requests.Generate(60), options);
        string folder = _folder.File("model"), file = Path.Combine(folder, "classifier.json");
        trained.Save(folder);
        Assert.Contains(trained.Training!.Explain(), line => line.Trim() == Said);
        Assert.Equal(Said, (string?)JsonNode.Parse(trained.Training.ToJson())!["backbones"]![0]!["lead"]);
        Assert.EndsWith(Said, trained.Facts[0].Value, StringComparison.Ordinal);
        Assert.Contains(Said, Inspection.Of(folder).ToString(), StringComparison.Ordinal);
        Assert.True((bool?)EntryOf(file)["single_tokens_behind_line_break"]);

        double expected = trained.Predict("A").Probability;
        Assert.Equal(expected, Loaded().Probability);
        Rewrite(entry => entry.Remove("single_tokens_behind_line_break")); // as it was written before this had a name
        Assert.Equal(expected, Loaded().Probability);
        Rewrite(entry => entry["single_tokens_behind_line_break"] = false);
        Assert.NotEqual(expected, Loaded().Probability);

        Prediction Loaded()
        {
            using TextClassifier loaded = Requests.LoadClassifier(folder);
            return loaded.Predict("A");
        }

        void Rewrite(Action<JsonObject> change)
        {
            JsonNode manifest = JsonNode.Parse(File.ReadAllText(file))!;
            change(manifest["backbones"]![0]!.AsObject());
            File.WriteAllText(file, manifest.ToJsonString());
        }
    }

    private static JsonObject EntryOf(string file) => JsonNode.Parse(File.ReadAllText(file))!["backbones"]![0]!.AsObject();

    /// <summary>A single token's mean without the first token is that token, as its last token is.</summary>
    private static void AssertGolden(Golden golden, int text, TextEncoder encoder, TextEmbeddings embeddings, int row)
    {
        for (int view = 0; view < encoder.Views.Count; view++)
        {
            float[] expected = golden.Pooled("last", encoder.Views[view].Depth); // [N,H]
            Vectors.AssertClose(
                expected.AsSpan(text * encoder.HiddenSize, encoder.HiddenSize), embeddings[row, view], 2e-4f, Poolings.NameOf(encoder.Views[view]));
        }
    }
}
