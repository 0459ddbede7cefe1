using LlmEmbed.Comparison;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;
using LlmEmbed.Tests.Cli;
using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests;

/// <summary>A text whose only tokens are special ones is empty, whatever puts them there.</summary>
public sealed class EmptyTextTests : IDisposable
{
    private const string ZeroWidthSpace = "\u200b";

    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("bert", "", true)]
    [InlineData("bert", ZeroWidthSpace, true)]
    [InlineData("bert", "\ufeff", true)]
    [InlineData("bert", "\u0001\u0002", true)]
    [InlineData("bert", "\u0301\u0302", true)] // accents without letters, which this tokenizer strips
    [InlineData("bert", "[SEP] [CLS]", true)]
    [InlineData("bert", "[UNK]", false)]
    [InlineData("bert", "שלום", false)] // unknown to the vocabulary
    [InlineData("bert", "a" + ZeroWidthSpace, false)]
    [InlineData("bert/vocab.txt", ZeroWidthSpace, true)]
    [InlineData("bert/vocab.txt", "[PAD][SEP]", true)]
    [InlineData("bert/vocab.txt", "[UNK]", false)]
    [InlineData("xlm-roberta", ZeroWidthSpace, true)]
    [InlineData("xlm-roberta", "</s>", true)]
    [InlineData("xlm-roberta", "\ufeff", false)] // unknown
    [InlineData("xlm-roberta/sentencepiece.bpe.model", "</s> ", true)]
    [InlineData("roberta", ZeroWidthSpace, false)] // three bytes, which the model reads
    [InlineData("roberta", "<s></s>", true)]
    [InlineData("qwen2", "", true)]
    [InlineData("qwen2", ZeroWidthSpace, false)]
    [InlineData("qwen2", "<|endoftext|><|endoftext|>", true)]
    [InlineData("llama-mha", "", true)]
    [InlineData("llama-mha", "</s>", true)]
    [InlineData("llama-mha", ZeroWidthSpace, false)]
    [InlineData("gguf/llama-mha-F32.gguf", "</s>", true)]
    [InlineData("gguf/llama-mha-F32.gguf", "<unk>", false)]
    public void A_text_is_empty_if_its_own_tokens_are_special_ones_only(string tokenizer, string text, bool isEmpty)
    {
        Tokenizer plain = Tokenizer.Load(Repository.Fixture(tokenizer.Split('/'))), prompted = plain.WithPrompt("Review: {text}\nLabel:");
        Assert.Equal(isEmpty, plain.IsEmpty(text));
        Assert.Equal(isEmpty, prompted.IsEmpty(text));
    }

    [Fact]
    public void Many_special_tokens_do_not_hide_what_stands_behind_them()
    {
        Tokenizer tokenizer = Tokenizer.Load(Repository.Fixture("bert"));
        string special = string.Concat(Enumerable.Repeat("[SEP]", 30));
        Assert.True(tokenizer.IsEmpty(special));
        Assert.False(tokenizer.IsEmpty($"{special} film"));
    }

    [Theory]
    [InlineData("bert")]
    [InlineData("xlm-roberta")]
    public void An_encoder_gives_it_the_states_of_the_special_tokens_and_says_so(string backbone)
    {
        RuntimeOptions runtime = Requests.Runtime with { CacheFolder = _folder.File("cache") };
        foreach (int computed in new[] { 3, 0 })
        {
            TextEmbeddings embeddings = Encode(backbone, prompt: null, runtime, [ZeroWidthSpace, "a film", ZeroWidthSpace, ""]);
            Assert.Empty(embeddings.Statistics.TextsWithoutTokens);
            Assert.Equal([0, 2, 3], embeddings.Statistics.TextsOfSpecialTokens);
            Assert.Equal(computed, embeddings.Statistics.ComputedTexts);
            Assert.All(new[] { 0, 2 }, text => Assert.Equal(embeddings[3], embeddings[text]));
        }
    }

    [Theory]
    [InlineData("bert", "Review: {text}", ZeroWidthSpace)]
    [InlineData("xlm-roberta", "Review: {text} .", ZeroWidthSpace)]
    [InlineData("llama-mha", "Review: {text}\nLabel:", "</s>")]
    public void A_prompt_around_it_gives_zeros_and_its_index(string backbone, string prompt, string empty)
    {
        TextEmbeddings embeddings = Encode(backbone, prompt, Requests.Runtime, [empty, "a film", empty, ""]);
        Assert.Equal([0, 2, 3], embeddings.Statistics.TextsWithoutTokens);
        Assert.Empty(embeddings.Statistics.TextsOfSpecialTokens);
        Assert.All(new[] { 0, 2, 3 }, text => Assert.True(embeddings[text].IndexOfAnyExcept(0f) < 0));
        Assert.True(embeddings[1].IndexOfAnyExcept(0f) >= 0);
    }

    [Fact]
    public void A_text_that_is_empty_to_one_of_two_backbones_is_empty()
    {
        using TextClassifier classifier = Requests.Train(
            Requests.Generate(60), Requests.Options(ViewSelection.At("1"), "llama-gqa", "bert"));
        string[] texts = [ZeroWidthSpace, "the parcel is late", "<|endoftext|>", " ", "שלום"];
        Assert.Equal([0, 2, 3], classifier.FindEmptyTexts(texts, Cancellation));
        Prediction[] predictions = [.. classifier.Predict(texts, Cancellation)];
        Assert.Equal([true, false, true, true, false], predictions.Select(prediction => prediction.IsEmpty));
    }

    [Fact]
    public void Whoever_learns_or_measures_refuses_it_before_anything_is_read()
    {
        LabeledText[] examples = Requests.Generate(60), withEmpty = [.. examples, new(ZeroWidthSpace, "billing"), new("\ufeff", "billing")];
        TrainingOptions options = Requests.Options("bert");
        bool isRead = false;
        ProgressCallback progress = new(report => isRead |= report.Stage.StartsWith("Reading", StringComparison.Ordinal));
        AssertRefused(() => Requests.Train(withEmpty, options, progress: progress).Dispose());
        using OpenBackbones backbones = new(Requests.Runtime);
        Assert.Equal([60, 61], TextClassifier.FindEmptyTexts(
            [.. withEmpty.Select(example => example.Text)], options.Recipe, backbones, cancellationToken: Cancellation));
        Assert.Equal(["bert"], backbones.Names);
        AssertRefused(() => DepthProbe.Run(withEmpty, new() { Backbones = ["bert"] }, backbones, progress, Cancellation));
        ComparisonOptions comparison = new() { Recipe = new() { Backbones = ["bert"] }, Prompting = null };
        AssertRefused(() => MethodComparison.Run(withEmpty, examples, comparison, Requests.Runtime, progress, Cancellation));
        AssertRefused(() => MethodComparison.Run(examples, withEmpty, comparison, Requests.Runtime, progress, Cancellation));
        Assert.False(isRead);
        using TextClassifier classifier = Requests.Train(examples, Requests.Options(ViewSelection.At("1"), "bert"));
        AssertRefused(() => classifier.Evaluate(withEmpty, progress, Cancellation));

        static void AssertRefused(Action work) => Assert.Contains(
            "Example 61 of 62 (label 'billing') gives no token of its own, so it has no embedding (2 examples are like it).",
            Assert.Throws<LlmEmbedException>(work).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_limit_that_leaves_no_room_for_a_text_is_refused() => Assert.Contains(
        "A limit of 2 tokens leaves no room for a text: 2 tokens stand around every text of bert",
        Assert.Throws<LlmEmbedException>(() => Requests.LoadEncoder("bert", new() { MaxTokens = 2 })).Message, StringComparison.Ordinal);

    [Fact]
    public void Commands_name_its_line_or_leave_it_out_and_count_it()
    {
        (string Text, string Label)[] rows = LabeledTexts.Take(30);
        string good = _folder.Write("good.csv", LabeledTexts.Csv(rows));
        string bad = _folder.Write(
            "bad.jsonl", LabeledTexts.JsonLines([.. rows, ("\u200b", "01"), ("\u0001", "1"), ("</s>", "alone"), ("x", "alone")]));
        string[] train = ["train", "--data", bad, "--output", _folder.File("model"), "--backbone", Repository.Fixture("bert"), "--cache", "none"];
        Assert.Contains(
            $"{bad}, line 31: the text gives no token of its own, so the model would read nothing (2 such texts). --skip-bad-rows",
            Tool.Run(train).Refused(), StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder.File("model")));
        ToolResult trained = Tool.Run([.. train, "--skip-bad-rows", "--json"]).Succeeded();
        Assert.Equal((32, 2), ((int)trained.Json["examples"]!, (int)trained.Json["data"]!["empty_texts"]!));

        string[] evaluate = ["evaluate", _folder.File("model"), "--data", bad, "--cache", "none"];
        Assert.Contains($"{bad}, line 31: the text gives no token", Tool.Run(evaluate).Refused(), StringComparison.Ordinal);
        ToolResult evaluated = Tool.Run([.. evaluate, "--skip-bad-rows"]).Succeeded();
        Assert.Contains("left out: no token: 2 (first: line 31)", evaluated.Output, StringComparison.Ordinal);
        Assert.Equal(32, (int)Tool.Run([.. evaluate, "--skip-bad-rows", "--json"]).Succeeded().Json["n"]!);

        ToolResult predicted = Tool.Run("predict", _folder.File("model"), "--data", bad).Succeeded();
        Assert.Equal(["", ""], predicted.JsonLines[30..32].Select(line => (string)line["predicted_label"]!));
        Assert.Contains("2 of 34 texts are empty or gave no token; their label is empty.", predicted.Error, StringComparison.Ordinal);
        ToolResult embedded = Tool.Run(
            "embed", "--backbone", Repository.Fixture("bert"), "--data", bad, "--output", _folder.File("s.safetensors"), "--cache", "none", "--json");
        Assert.Equal(2, (int)embedded.Succeeded().Json["special_tokens_only"]!);
        Assert.Contains("2 of 34 texts are empty to the model", embedded.Error, StringComparison.Ordinal);
        Assert.Equal(30, (int)Tool.Run("evaluate", _folder.File("model"), "--data", good, "--cache", "none", "--json").Succeeded().Json["n"]!);
    }

    [Fact]
    public void A_class_that_keeps_a_single_example_is_left_out_too()
    {
        string data = _folder.Write(
            "data.jsonl", LabeledTexts.JsonLines([.. LabeledTexts.Take(30), ("\u200b", "alone"), ("one more", "alone")]));
        ToolResult result = Tool.Run(
            "train", "--data", data, "--output", _folder.File("model"), "--backbone", Repository.Fixture("bert"), "--cache", "none",
            "--skip-bad-rows").Succeeded();
        Assert.Contains("30 examples of 3 classes", result.Output, StringComparison.Ordinal);
        Assert.Contains("the only example of its class: 1 (first: line 32)", result.Output, StringComparison.Ordinal);
        Assert.Contains("no token: 1 (first: line 31)", result.Output, StringComparison.Ordinal);
    }

    private static TextEmbeddings Encode(string backbone, string? prompt, RuntimeOptions runtime, string[] texts)
    {
        using TextEncoder encoder = Requests.LoadEncoder(
            backbone, new() { Prompt = prompt, Views = ViewSelection.At("1", [Pooling.Mean]), Precision = Precision.Fp32 }, runtime);
        return encoder.Encode(texts, cancellationToken: Cancellation);
    }
}
