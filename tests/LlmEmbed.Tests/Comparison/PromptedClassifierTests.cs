using System.Numerics.Tensors;
using LlmEmbed.Comparison;
using LlmEmbed.Reading;
using Xunit;

namespace LlmEmbed.Tests.Comparison;

public sealed class PromptedClassifierTests : IDisposable
{
    /// <summary>Labels of one token and of several, two of which begin alike.</summary>
    private static readonly string[] Labels = ["a", "the old house", "the old horse", "bread"];

    /// <summary>More than go through together, of different lengths.</summary>
    private static readonly string[] Texts =
    [
        .. Enumerable.Range(0, 37).Select(i => string.Join(' ', Enumerable.Repeat("a small dog ran", 1 + i % 4)) + i),
    ];

    /// <summary>All blocks, as a language model needs them.</summary>
    private static readonly EncoderOptions Whole = new() { Views = ViewSelection.At("-1"), Precision = Precision.Fp32 };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("llama-mha")]
    [InlineData("llama-gqa")]
    [InlineData("qwen3")]
    public void Scores_are_the_mean_log_probabilities_of_reading_each_label_behind_the_whole_prompt(string folder)
    {
        using TextEncoder encoder = Open(folder);
        using PromptedClassifier classifier = PromptedClassifier.TryCreate(
            encoder.Reader, new(Labels, [new("a big cat", "bread")], ReasoningTokens: 0), Texts)!;
        float[] scores = classifier.Scores(Texts, _ => { }, TestContext.Current.CancellationToken);
        PromptFormat format = new(encoder.Reader.Backbone.Tokenizer);
        int[] beginning = format.Beginning(Labels, [new("a big cat", "bread")], encoder.MaxTokens);
        using LanguageModel model = OpenLanguageModel(encoder.Reader);
        float[] expected =
        [
            .. Texts.SelectMany(
                text => Labels.Select(
                    label => Score(model, [.. beginning, .. format.TextIds(text, 999), .. format.BeforeLabel], format.LabelIds(label)))),
        ];
        Assert.Contains(Labels, label => format.LabelIds(label).Length > 2);
        Vectors.AssertClose(expected, scores, 2e-4f, folder);
    }

    [Theory]
    [InlineData("llama-mha")]
    [InlineData("qwen3")]
    public void Labels_are_scored_behind_what_the_model_writes_for_each_text_alone(string folder)
    {
        const int Length = 6;
        using TextEncoder encoder = Open(folder);
        using PromptedClassifier classifier = PromptedClassifier.TryCreate(encoder.Reader, new(Labels, [], Length), Texts)!;
        float[] scores = classifier.Scores(Texts, _ => { }, TestContext.Current.CancellationToken);
        PromptFormat format = new(encoder.Reader.Backbone.Tokenizer);
        int[] beginning = format.Beginning(Labels, [], encoder.MaxTokens);
        using LanguageModel model = OpenLanguageModel(encoder.Reader);
        float[] expected = [.. Texts.SelectMany(text =>
        {
            List<int> prompt = [.. beginning, .. format.TextIds(text, 999), .. format.BeforeReasoning];
            for (int i = 0; i < Length; i++)
            {
                int next = TensorPrimitives.IndexOfMax(After(model, [.. prompt]));
                if (format.EndIds.Contains(next)) break;
                prompt.Add(next);
            }
            return Labels.Select(label => Score(model, [.. prompt, .. format.AfterReasoning], format.LabelIds(label)));
        })];
        Vectors.AssertClose(expected, scores, 5e-4f, folder);
        Assert.InRange(classifier.ReasoningTokens, 1, Length * Texts.Length);
    }

    /// <summary>A model of chats ends its answers itself; the rows behind one that has ended must stay with their texts.</summary>
    [Fact]
    public void Texts_whose_reasoning_ends_early_keep_their_scores()
    {
        using TextEncoder encoder = Requests.LoadEncoder("smollm2-135m-instruct", Whole);
        string[] texts = ["good", "What a dull, endless film.", "fine"];
        PromptedTask task = new(["negative", "positive"], [], ReasoningTokens: 40);
        using PromptedClassifier classifier = PromptedClassifier.TryCreate(encoder.Reader, task, texts)!; // one for all: it takes seconds to open
        float[] Ask(string[] asked, out long reasoned)
        {
            long before = classifier.ReasoningTokens;
            float[] scores = classifier.Scores(asked, _ => { }, TestContext.Current.CancellationToken);
            reasoned = classifier.ReasoningTokens - before;
            return scores;
        }
        long[] alone = new long[3];
        float[] expected = [.. texts.Index().SelectMany(text => Ask([text.Item], out alone[text.Index]))];
        float[] together = Ask(texts, out long all);
        Assert.Equal(alone.Sum(), all);
        Vectors.AssertClose(expected, together, 1e-3f, "together");
    }

    [Fact]
    public void A_prompt_that_the_model_has_no_positions_for_is_refused()
    {
        using TextEncoder encoder = Requests.LoadEncoder(Repository.Fixture("llama-mha"), Whole);
        Assert.Null(PromptedClassifier.TryCreate(encoder.Reader, new(Labels, [], ReasoningTokens: 64), Texts));
    }

    private static float Score(LanguageModel model, int[] prompt, int[] label) =>
        Enumerable.Range(0, label.Length).Average(i => After(model, [.. prompt, .. label[..i]])[label[i]]);

    private static float[] After(LanguageModel model, int[] ids)
    {
        model.Cut(0, 0);
        model.Read(0, ids);
        return model.LogProbabilities(1).ToArray();
    }

    private TextEncoder Open(string folder) => Requests.LoadEncoder(_folder.WithPositions(folder, 1024), Whole);

    private static LanguageModel OpenLanguageModel(BackboneReader reader) =>
        new(reader.Backbone.Model, reader.NewLayers, rows: 1, capacity: 700, reader.Threads);
}
