using System.Text.Json.Nodes;
using LlmEmbed.Files;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;
using Xunit;

namespace LlmEmbed.Tests.Reading;

/// <summary>The view of a repository's authors beside the other views: prompts, limits, training, the store and what is said of it.</summary>
public sealed class SentenceViewTests : IDisposable
{
    private static readonly string[] Texts = ["my parcel is late", "ry again", "", "the invoice is wrong, please refund it", " two  blanks"];

    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    /// <summary>
    /// At the seam a prompt and a text may share a token ("Que" and "ry"), so the prompt's own tokens are not always those of the whole.
    /// </summary>
    [Theory]
    [InlineData("last-prompts", "Instruct: find what answers\nQuery:", true)]
    [InlineData("last-prompts", "Instruct: Que", true)]
    [InlineData("last-prompts", "a", true)]
    [InlineData("last-prompts", "query: ", true)]
    [InlineData("plain-decoder", "query: ", true)]
    [InlineData("e5-default", "query: ", false)]
    [InlineData("two-dense", "title: ", false)]
    public void A_prompt_before_a_text_gives_what_both_together_give(string folder, string prompt, bool isReadOnce)
    {
        string[] texts = folder == "plain-decoder" ? [.. Texts.Where(text => text.Length > 0)] : Texts;
        using TextEncoder prompted = Load(folder, new() { Prompt = prompt }), plain = Load(folder, new() { Prompt = "" });
        TextEmbeddings actual = prompted.Encode(texts, cancellationToken: Cancellation);
        TextEmbeddings expected = plain.Encode([.. texts.Select(text => prompt + text)], cancellationToken: Cancellation);
        Vectors.AssertSame(expected, actual, 1e-5f);
        Assert.Equal(isReadOnce, actual.Statistics.Tokens < expected.Statistics.Tokens);
    }

    [Fact]
    public void A_prompt_that_is_not_there_is_refused_with_the_names_of_those_that_are()
    {
        string message = Assert.Throws<LlmEmbedException>(() => Load("instructor", new() { PromptName = "classify" })).Message;
        Assert.Contains("there is no prompt 'classify', expected one of the repository's own: 'Classification', 'glued' and 'empty'", message);
        Assert.Contains("own: none", Assert.Throws<LlmEmbedException>(() => Load("plain-encoder", new() { PromptName = "query" })).Message);
        Assert.Contains(
            "expected one of them", Assert.Throws<LlmEmbedException>(() => Load("instructor", new() { Prompt = "a", PromptName = "glued" })).Message);
        Assert.Contains("Leave out {text}", Assert.Throws<LlmEmbedException>(() => Load("instructor", new() { Prompt = "a {text}" })).Message);
    }

    [Fact]
    public void Views_of_depths_never_take_a_default_prompt()
    {
        ViewSelection both = ViewSelection.At("-1", [Pooling.Mean, Pooling.Sentence]);
        string message = Assert.Throws<LlmEmbedException>(() => Load("e5-default", new() { Views = both })).Message;
        Assert.Contains("behind its prompt 'query' for the view 'sentence'", message);
        using TextEncoder mean = Load("e5-default", new() { Views = ViewSelection.At("-1", [Pooling.Mean]) });
        using TextEncoder without = Load("e5-default", new() { Views = both, Prompt = "" });
        Assert.Null(mean.Reader.Plan.Prompt);
        TextEmbeddings expected = mean.Encode(Texts, cancellationToken: Cancellation);
        TextEmbeddings actual = without.Encode(Texts, cancellationToken: Cancellation);
        for (int text = 0; text < Texts.Length; text++) Vectors.AssertClose(expected[text, 0], actual[text, 0], 1e-5f, $"text {text}");
    }

    [Fact]
    public void The_limit_of_the_repository_holds_for_its_own_view_unless_another_one_is_asked_for()
    {
        using TextEncoder own = Load("mini", new()), asked = Load("mini", new() { MaxTokens = 40 });
        using TextEncoder depths = Load("mini", new() { Views = ViewSelection.At("1") });
        Assert.Equal((16, 40, 64), (own.MaxTokens, asked.MaxTokens, depths.MaxTokens));
    }

    [Fact]
    public void The_vector_of_a_text_is_the_repositorys_or_the_deepest_default_one()
    {
        Assert.Equal([new View(3, Pooling.Sentence)], Views(Repository.Fixture("sentence", "mini")));
        Assert.Equal([new View(4, Pooling.Mean)], Views(Repository.Fixture("bert")));
        Assert.Equal([new View(24, Pooling.MeanSkipFirst)], Views(Path.Combine(Repository.Models, "smollm2-135m-instruct")));
        // A vector that the repository describes and that cannot be computed is never replaced by another one.
        string refused = Repository.Fixture("sentence", "refuse", "bow");
        Assert.Throws<LlmEmbedException>(() => Views(refused));
        Assert.Throws<LlmEmbedException>(() => Inspection.Of(refused, new EncoderOptions { Views = ViewSelection.TextVector }));

        static IReadOnlyList<View> Views(string folder)
        {
            using TextEncoder encoder = Load(folder, new() { Views = ViewSelection.TextVector });
            return encoder.Views;
        }
    }

    [Fact]
    public void Views_of_different_sizes_cannot_go_into_one_table()
    {
        ViewSelection both = ViewSelection.At("-1", [Pooling.Mean, Pooling.Sentence]);
        Assert.Contains("have 24, 48 numbers", Assert.Throws<LlmEmbedException>(() => Load("pool-concat", new() { Views = both })).Message);
        Assert.Contains("reads the last depth only", Assert.Throws<LlmEmbedException>(() => Load(
            "pool-concat", new() { Views = ViewSelection.At("1", [Pooling.Sentence]) })).Message);
    }

    [Fact]
    public void A_layer_norm_is_computed()
    {
        string copy = Copy("mini");
        JsonArray modules = JsonNode.Parse(File.ReadAllText(Path.Combine(copy, "modules.json")))!.AsArray();
        modules[2] = new JsonObject
        {
            ["idx"] = 2,
            ["name"] = "2",
            ["path"] = "2_LayerNorm",
            ["type"] = "sentence_transformers.models.LayerNorm",
        };
        File.WriteAllText(Path.Combine(copy, "modules.json"), modules.ToJsonString());
        float[] scale = [.. Enumerable.Range(0, 32).Select(i => 0.5f + i / 32f)], shift = [.. Enumerable.Range(0, 32).Select(i => i / 16f - 1)];
        Directory.CreateDirectory(Path.Combine(copy, "2_LayerNorm"));
        File.WriteAllText(Path.Combine(copy, "2_LayerNorm", "config.json"), """{"dimension": 32}""");
        using (SafetensorsWriter writer = SafetensorsWriter.Create(
            Path.Combine(copy, "2_LayerNorm", "model.safetensors"), [], new("norm.weight", "F32"), new("norm.bias", "F32")))
        {
            writer.Append<float>("norm.weight", scale);
            writer.Append<float>("norm.bias", shift);
            writer.Commit();
        }

        using TextEncoder normed = Load(copy, new()), mean = Load("mini", new() { Views = ViewSelection.At("-1"), MaxTokens = 16 });
        TextEmbeddings actual = normed.Encode(Texts, cancellationToken: Cancellation), states = mean.Encode(Texts, cancellationToken: Cancellation);
        for (int text = 0; text < Texts.Length; text++)
        {
            double[] x = [.. states[text].ToArray().Select(value => (double)value)];
            double average = x.Average(), deviation = Math.Sqrt(x.Average(value => (value - average) * (value - average)) + 1e-5);
            float[] expected = [.. x.Select((value, i) => (float)((value - average) / deviation * scale[i] + shift[i]))];
            Vectors.AssertClose(expected, actual[text], 1e-5f, $"text {text}");
        }
    }

    [Fact]
    public void What_is_kept_of_a_text_is_kept_for_the_very_modules_and_prompt()
    {
        string copy = Copy("cls-dense");
        Assert.Equal(0, CachedBy(copy, new()));
        Assert.Equal(Texts.Length, CachedBy(copy, new()));
        Assert.Equal(0, CachedBy(copy, new() { Prompt = "query: " }));
        string config = Path.Combine(copy, "2_Dense", "config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace("activation.Tanh", "activation.Sigmoid", StringComparison.Ordinal));
        Assert.Equal(0, CachedBy(copy, new()));

        int CachedBy(string folder, EncoderOptions options)
        {
            RuntimeOptions runtime = new() { CacheFolder = _folder.File("cache"), Threads = 1 };
            using TextEncoder encoder = TextEncoder.Load(
                folder, Sentence(options), runtime, cancellationToken: Cancellation);
            return encoder.Encode(Texts, cancellationToken: Cancellation).Statistics.CachedTexts;
        }
    }

    [Theory]
    [InlineData("mini", null)]
    [InlineData("cls-dense", null)]
    [InlineData("dense-residual", null)]
    [InlineData("e5-default", "query: ")]
    [InlineData("instructor", "Represent the review for classification: ")]
    [InlineData("two-dense", "task: classification | query: ")]
    [InlineData("last-prompts", null)]
    public void A_saved_classifier_reads_the_view_and_the_prompt_for_classification(string folder, string? prompt)
    {
        TrainingOptions options = Requests.Options(ViewSelection.At(null, [Pooling.Sentence]), Repository.Fixture("sentence", folder));
        using TextClassifier trained = Requests.Train(Requests.Generate(60), options);
        BackboneReader reader = Assert.Single(trained.Parts.Reader.Backbones);
        Assert.Equal(prompt, reader.Plan.Prompt);
        AssertSavedEqualsLoaded(trained);
    }

    [Theory]
    [InlineData("mini", "mini")]
    [InlineData("pool-concat", "pool-concat")]
    [InlineData("e5-default", "e5-default with its prompt")]
    [InlineData("two-dense", "two-dense with its prompt")]
    [InlineData("last-prompts", "last-prompts without a line break")]
    public void The_automatic_recipe_considers_the_view_wherever_the_repository_declares_it(string folder, string reader)
    {
        using TextClassifier trained = Requests.Train(Requests.Generate(60), Requests.Options(Repository.Fixture("sentence", folder)));
        ViewProbe probe = Assert.Single(trained.Training!.Candidates, candidate => candidate.View.Pooling == Pooling.Sentence);
        Assert.Equal(reader, probe.Backbone);
        Assert.Contains(trained.Training.Candidates, candidate => candidate.Backbone == folder && candidate.View.Pooling != Pooling.Sentence);
        AssertSavedEqualsLoaded(trained);
    }

    [Theory]
    [InlineData("plain-encoder")]
    [InlineData("refuse/dense-activation")]
    public void The_automatic_recipe_leaves_the_view_out_where_it_is_not_declared_or_refused(string folder)
    {
        using TextClassifier trained = Requests.Train(
            Requests.Generate(60), Requests.Options(Repository.Fixture(["sentence", .. folder.Split('/')])));
        Assert.DoesNotContain(trained.Training!.Candidates, candidate => candidate.View.Pooling == Pooling.Sentence);
        Assert.Equal(
            folder != "plain-encoder", trained.Training.Warnings.Any(warning => warning.Message.Contains("my.module.Act", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_prompt_before_the_text_is_that_of_the_view_and_an_empty_one_switches_the_repositorys_off()
    {
        string folder = Repository.Fixture("sentence", "e5-default");
        Assert.Equal("passage: ", PromptWith(recipe => recipe with { PromptName = "passage" }));
        Assert.Equal("topic: ", PromptWith(recipe => recipe with { Prompt = "topic: " }));
        Assert.Null(PromptWith(recipe => recipe with { Prompt = "" }));
        Assert.Contains(
            "'query' and 'passage'", Assert.Throws<LlmEmbedException>(() => PromptWith(recipe => recipe with { PromptName = "x" })).Message);

        string? PromptWith(Func<Recipe.Fixed, Recipe.Fixed> change)
        {
            TrainingOptions options = Requests.Options(ViewSelection.At(null, [Pooling.Sentence]), folder).WithFixed(change);
            using TextClassifier trained = Requests.Train(Requests.Generate(12), options);
            return trained.Parts.Reader.Backbones[0].Plan.Prompt;
        }
    }

    [Fact]
    public void A_classifier_whose_modules_have_changed_is_refused()
    {
        string copy = Copy("cls-dense");
        using (TextClassifier trained = Requests.Train(Requests.Generate(12), Requests.Options(ViewSelection.At(null, [Pooling.Sentence]), copy)))
            trained.Save(_folder.File("model"));
        string config = Path.Combine(copy, "2_Dense", "config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace("activation.Tanh", "activation.Sigmoid", StringComparison.Ordinal));
        string message = Assert.Throws<LlmEmbedException>(() => Requests.LoadClassifier(_folder.File("model"))).Message;
        Assert.Contains("differs in its modules of sentence-transformers", message);
    }

    [Fact]
    public void Inspection_says_how_texts_become_vectors()
    {
        JsonNode declared = Inspect("instructor-concat"), residual = Inspect("dense-residual"), plain = Inspect("plain-decoder");
        Assert.Equal("cls max mean_sqrt_len_tokens weightedmean lasttoken", string.Join(' ', declared["pooling"]!.AsArray()));
        Assert.Equal((120, 40, false), ((int)declared["size"]!, (int)declared["max_tokens"]!, (bool)declared["prompt_is_pooled"]!));
        Assert.Equal("Represent the review for classification: ", (string?)declared["prompts"]!["Classification"]);
        Assert.Equal(("Classification", null), ((string?)declared["prompt_for_classification"], (string?)declared["default_prompt"]));
        Assert.Equal("Dense 24 → 12, ReLU, residual", (string?)residual["modules"]![0]);
        Assert.StartsWith("nowhere", (string?)plain["declared"]);
        Assert.Equal("lasttoken", (string?)plain["pooling"]![0]);
        Assert.Contains("LSTM", (string?)Inspect("refuse/between")["refused"]);
        Assert.Contains("prompt for classification", Inspection.Of(Repository.Fixture("sentence", "mini")).ToString());
    }

    private static JsonNode Inspect(string folder) =>
        JsonNode.Parse(Inspection.Of(Repository.Fixture(["sentence", .. folder.Split('/')])).ToJson())!["sentence"]!;

    private void AssertSavedEqualsLoaded(TextClassifier trained)
    {
        trained.Save(_folder.File("model"));
        using TextClassifier loaded = Requests.LoadClassifier(_folder.File("model"));
        Assert.Equal(
            trained.Parts.Reader.Layout.Keys.Select(key => (key.Backbone, key.View)),
            loaded.Parts.Reader.Layout.Keys.Select(key => (key.Backbone, key.View)));
        string[] texts = ["the parcel is late", "please refund my invoice", "the screen shows an error"];
        Assert.Equal(
            trained.Predict(texts, Cancellation).Select(prediction => (prediction.Label, prediction.Probability)),
            loaded.Predict(texts, Cancellation).Select(prediction => (prediction.Label, prediction.Probability)));
    }

    private static EncoderOptions Sentence(EncoderOptions options) => options with
    {
        Precision = Precision.Fp32,
        Views = options.Views == ViewSelection.Default ? ViewSelection.At(null, [Pooling.Sentence]) : options.Views,
    };

    /// <param name="folder">The name of a fixture, or a path.</param>
    /// <param name="options">Without views the repository's own one is read.</param>
    private static TextEncoder Load(string folder, EncoderOptions options) => TextEncoder.Load(
        Path.IsPathFullyQualified(folder) ? folder : Repository.Fixture("sentence", folder), Sentence(options), new RuntimeOptions { Threads = 1 },
        cancellationToken: Cancellation);

    /// <summary>A fixture with its modules, to be changed.</summary>
    private string Copy(string fixture)
    {
        string source = Repository.Fixture("sentence", fixture), target = _folder.File(fixture);
        foreach (string file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            string place = Path.Combine(target, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(place)!);
            File.Copy(file, place);
        }
        return target;
    }
}
