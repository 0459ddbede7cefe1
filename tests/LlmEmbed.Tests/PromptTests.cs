using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests;

public sealed class PromptTests : IDisposable
{
    private const string Review = "Review: {text}\nSentiment:";

    private static readonly string[] Texts =
    [
        "the ship sailed at dawn",
        "so funny",
        "Oil prices rose again on Tuesday, by more than anybody had expected.",
        "x",
    ];

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Decoders =>
        ["llama-gqa", "qwen2", "qwen3", "phi3", "smollm3", "olmo2", "gpt2", "gpt-neox", "smollm2-135m-instruct"];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Decoders))]
    public void The_last_token_of_a_prompt_is_that_of_the_whole_text(string backbone)
    {
        TextEmbeddings whole = Encode(
            backbone, null, Pooling.Last, texts: [.. Texts.Select(text => Review.Replace("{text}", text, StringComparison.Ordinal))]);
        Vectors.AssertSame(whole, Encode(backbone, Review, Pooling.Last), 1e-5f);
    }

    [Theory]
    [MemberData(nameof(Decoders))]
    public void A_beginning_that_is_read_once_gives_what_reading_it_with_each_text_gives(string backbone)
    {
        // The first token's state is asked for, so that the beginning has to go through the blocks.
        TextEmbeddings again = Encode(backbone, Review, Pooling.First), once = Encode(backbone, Review, Pooling.Mean);
        Assert.True(once.Statistics.Tokens < again.Statistics.Tokens);
        foreach (Pooling pooling in new[] { Pooling.Mean, Pooling.MeanSkipFirst, Pooling.Max, Pooling.Last })
        {
            using TextEncoder both = Load(
                backbone, Review, [new View(1, pooling), new View(1, Pooling.First)]), alone = Load(backbone, Review, [new View(1, pooling)]);
            TextEmbeddings expected = both.Encode(
                Texts, cancellationToken: Cancellation), actual = alone.Encode(Texts, cancellationToken: Cancellation);
            for (int text = 0; text < Texts.Length; text++)
                Vectors.AssertClose(
                    expected[text, 0], actual[text, 0], 1e-5f * expected[text, 0].ToArray().Max(MathF.Abs), $"{pooling}, text {text}");
        }
    }

    [Theory]
    [InlineData(Pooling.Mean)]
    [InlineData(Pooling.MeanSkipFirst)]
    [InlineData(Pooling.Max)]
    public void What_follows_a_text_does_not_enter_its_mean(Pooling pooling)
    {
        // A decoder's tokens do not see what follows them, so the states of the text itself are those without a prompt.
        Vectors.AssertSame(Encode("llama-gqa", null, pooling), Encode("llama-gqa", "{text}\nLabel:", pooling), 1e-5f);
    }

    [Fact]
    public void Encoders_take_the_mean_of_the_text_between_the_prompt()
    {
        // At depth 0 a token's state depends on its place but not on what follows, so only what stands behind the text may differ.
        Vectors.AssertSame(Encode("bert", "a {text}", Pooling.Mean, depth: 0), Encode("bert", "a {text} b c", Pooling.Mean, depth: 0), 1e-6f);
        Assert.Throws<Xunit.Sdk.TrueException>(
            () => Vectors.AssertSame(
                Encode("bert", "a {text}", Pooling.Last, depth: 0), Encode("bert", "a {text} b c", Pooling.Last, depth: 0), 1e-6f));
    }

    [Fact]
    public void A_long_text_loses_its_end_and_never_the_prompt()
    {
        Tokenizer tokenizer = Tokenizer.Load(Repository.Fixture("llama-gqa")).WithPrompt(Review);
        TokenizedText tokens = tokenizer.Encode(string.Join(' ', Enumerable.Repeat("ship", 100)), maxTokens: 40);
        Assert.True(tokens.Truncated);
        Assert.Equal(40, tokens.Ids.Length);
        Assert.Equal(tokenizer.Frame.Before, tokens.Ids[..tokenizer.Frame.Before.Length]);
        Assert.Equal(tokenizer.Frame.After, tokens.Ids[^tokenizer.Frame.After.Length..]);
    }

    [Fact]
    public void A_prompt_around_nothing_is_no_text()
    {
        using TextEncoder encoder = Load("llama-gqa", Review, [new View(1, Pooling.Mean)]);
        Assert.Equal([1], encoder.Encode(["a", ""], cancellationToken: Cancellation).Statistics.TextsWithoutTokens);
    }

    [Fact]
    public void A_template_with_several_places_for_the_text_is_refused() => Assert.Contains(
        "must hold {text} once",
        Assert.Throws<LlmEmbedException>(() => Load("bert", "{text} and {text}", null)).Message,
        StringComparison.Ordinal);

    [Fact]
    public void Classes_are_listed_where_the_prompt_asks_for_them()
    {
        Assert.Equal("a, b: {text}", PromptTemplate.Fill("{labels}: {text}", ["a", "b"]));
        Assert.Contains("Possible labels: a, b.", PromptTemplate.Fill("auto", ["a", "b"]), StringComparison.Ordinal);
        Assert.DoesNotContain(
            "labels", PromptTemplate.Fill("auto", [.. Enumerable.Range(0, 99).Select(i => $"class {i}")]), StringComparison.Ordinal);
        Assert.Null(PromptTemplate.Fill(null, ["a", "b"]));
    }

    [Theory]
    [InlineData("1", 1)]
    [InlineData(null, 2)]
    public void A_classifier_keeps_its_prompt(string? depths, int most)
    {
        const string Prompt = "One of {labels}: {text}\nLabel:";
        TrainingOptions options = depths is null
            ? Requests.Options("llama-gqa").With(recipe => recipe with { Prompt = Prompt, Precision = Precision.Fp32 })
            : Requests.Options(ViewSelection.At(depths), "llama-gqa").WithFixed(
                recipe => recipe with { Prompt = Prompt, Precision = Precision.Fp32 });
        using TextClassifier trained = Requests.Train(Requests.Generate(60), options);
        trained.Save(_folder.File("model"));
        using TextClassifier loaded = Requests.LoadClassifier(_folder.File("model"));
        string?[] prompts = PromptsOf(loaded);
        Assert.InRange(prompts.Length, 1, most);
        Assert.Equal(PromptsOf(trained), prompts);
        if (depths is not null) Assert.Equal("One of billing, delivery, technical: {text}\nLabel:", prompts[0]);
        Prediction expected = trained.Predict("the parcel is late"), actual = loaded.Predict("the parcel is late");
        Assert.Equal((expected.Label, expected.Probability), (actual.Label, actual.Probability));
    }

    [Theory]
    [InlineData("llama-gqa", "\n{text}")]
    [InlineData("qwen2", "\n{text}")]
    [InlineData("gpt2", "\n{text}")]
    [InlineData("llama-mha", null)]
    [InlineData("bert", null)]
    public void Training_reads_a_decoder_behind_a_line_break_where_its_tokenizer_puts_nothing_before_texts(string backbone, string? prompt)
    {
        LabeledText[] examples = Requests.Generate(60);
        using TextClassifier trained = Requests.Train(examples, Requests.Options(backbone));
        Assert.Equal([prompt], PromptsOf(trained));
        Assert.Equal(backbone, trained.Parts.Reader.Backbones.Single().Name);
        Assert.Equal(prompt is not null, trained.Facts[0].Value.EndsWith("behind a line break", StringComparison.Ordinal));

        trained.Save(_folder.File("model"));
        using TextClassifier loaded = Requests.LoadClassifier(_folder.File("model"));
        Assert.Equal((prompt, backbone), (PromptsOf(loaded)[0], loaded.Parts.Reader.Backbones[0].Name));
        Assert.Equal(trained.Predict("the parcel is late").Probability, loaded.Predict("the parcel is late").Probability);
    }

    [Fact]
    public void A_prompt_that_is_a_line_break_is_not_tried_twice()
    {
        TrainingOptions options = Requests.Options("llama-gqa").With(recipe => recipe with { Prompt = "\n{text}" });
        using TextClassifier trained = Requests.Train(Requests.Generate(60), options);
        Assert.Single(trained.Training!.Selection!.Encoding);
    }

    [Fact]
    public void Views_that_are_asked_for_are_read_without_a_line_break()
    {
        using TextClassifier trained = Requests.Train(Requests.Generate(60), Requests.Options(ViewSelection.At("1"), "llama-gqa"));
        Assert.Null(PromptsOf(trained)[0]);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static TextEmbeddings Encode(string backbone, string? prompt, Pooling pooling, string[]? texts = null, int depth = 2)
    {
        using TextEncoder encoder = Load(backbone, prompt, [new View(depth, pooling)]);
        return encoder.Encode(texts ?? Texts, cancellationToken: Cancellation);
    }

    private static TextEncoder Load(string backbone, string? prompt, IReadOnlyList<View>? views)
    {
        ViewSelection selection = views is null ? ViewSelection.Default : ViewSelection.Of(views);
        return Requests.LoadEncoder(backbone, new() { Prompt = prompt, Views = selection, Precision = Precision.Fp32 });
    }

    private static string?[] PromptsOf(TextClassifier classifier) => [.. classifier.Parts.Reader.Backbones.Select(backbone => backbone.Plan.Prompt)];
}
