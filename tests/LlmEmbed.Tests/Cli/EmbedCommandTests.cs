using System.Text.Json;
using LlmEmbed.Tests.Models;
using Xunit;

namespace LlmEmbed.Tests.Cli;

public sealed class EmbedCommandTests : IDisposable
{
    /// <summary>The fixtures state 2e-4 for fp32; states reach 21.</summary>
    private const float Tolerance = 2e-4f;

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> GgufFiles =>
        [.. Directory.GetFiles(Repository.Fixture("gguf"), "*.gguf").Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(BackboneTests.Folders), MemberType = typeof(BackboneTests))]
    public void Mean_states_of_every_depth_equal_the_golden_ones(string folder)
    {
        using Golden golden = Golden.OfFixture(folder);
        AssertGolden(golden, Embed(Repository.Fixture(folder), golden, "mean"), "mean");
    }

    [Theory]
    [MemberData(nameof(BackboneTests.Folders), MemberType = typeof(BackboneTests))]
    public void Several_poolings_are_kept_depth_by_depth(string folder)
    {
        using Golden golden = Golden.OfFixture(folder);
        AssertGolden(golden, Embed(Repository.Fixture(folder), golden, "last,first,max,mean-skip-first"), "last", "first", "max", "mean-skip-first");
    }

    [Fact]
    public void The_precision_that_auto_took_is_said_with_its_reason()
    {
        string data = _folder.Write("texts.txt", "A parcel that never came\nso funny\n");
        string[] arguments =
        [
            "embed", "--backbone", Repository.Fixture("gemma3-nested"), "--data", data, "--output", _folder.File("states.safetensors"),
            "--precision", "auto", "--depths", "all",
        ];
        const string Reason = @"centred cosine of int8 with fp32 0\.98\d\d, less than 0\.99";
        Assert.Matches($@"gemma3-nested: fp32 \({Reason}\)", Tool.Run(arguments).Succeeded().Output);
        JsonElement summary = JsonDocument.Parse(Tool.Run([.. arguments, "--json"]).Succeeded().Output).RootElement;
        Assert.Equal("fp32", summary.GetProperty("precision").GetString());
        Assert.Matches(Reason, summary.GetProperty("precision_reason").GetString());
    }

    [Theory]
    [InlineData("bert")]
    [InlineData("bert-old-names")]
    [InlineData("roberta")]
    [InlineData("xlm-roberta")]
    public void The_pooler_equals_the_golden_pooler_output(string folder)
    {
        using Golden golden = Golden.OfFixture(folder);
        GoldenTensors states = Embed(
            Repository.Fixture(folder), golden.Texts, "--max-tokens", $"{golden.MaxTokens}", "--depths", "-1", "--pooling", "pooler");
        AssertClose(golden.Tensor("pooler_output"), states.Values<float>("embeddings"));
    }

    [Theory]
    [MemberData(nameof(GgufFiles))]
    public void Gguf_files_give_the_golden_states_of_their_dequantized_weights(string file)
    {
        string name = Path.GetFileNameWithoutExtension(file);
        string source = name == "kquants"
            ? Repository.Fixture("gguf", "kquants.golden")
            : Repository.Fixture(name[..name.LastIndexOf('-')], "golden");
        string own = Repository.Fixture("gguf", $"{name}.golden.safetensors");
        // F32 and BF16 hold the weights of the source folder exactly and share its golden states.
        using Golden golden = new($"{source}.json", File.Exists(own) ? own : $"{source}.safetensors");
        AssertGolden(golden, Embed(Repository.Fixture("gguf", file), golden, "mean,last"), "mean", "last");
    }

    [Theory]
    [InlineData("llama-mha", "llama", 40, 28, "-1,-2,-3,-4", "mean-with-pads")]
    [InlineData("bert", "bert", 48, 24, "-1", "pooler")]
    [InlineData("roberta", "roberta", 48, 28, "-1", "first")]
    public void The_released_recipe_is_a_matter_of_options(string folder, string tensor, int padTo, int maxTokens, string depths, string pooling)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(Repository.Fixture("released-recipe", "golden.json")));
        string[] texts = json.RootElement.GetProperty("texts").GetProperty(folder).Deserialize<string[]>()!;
        GoldenTensors golden = new("released-recipe", "golden.safetensors");
        GoldenTensors states = Embed(
            Repository.Fixture(folder), texts, "--pad-to", $"{padTo}", "--max-tokens", $"{maxTokens}", "--depths", depths, "--pooling", pooling);
        AssertClose(golden.Values<float>(tensor), states.Values<float>("embeddings"));
    }

    [Fact]
    public void Texts_in_the_cache_are_not_computed_again_and_give_the_same_bytes()
    {
        string[] texts = Enumerable.Range(0, 20).Select(i => $"text number {i % 10}").ToArray();
        string[] arguments =
        [
            "embed",
            "--backbone",
            Repository.Fixture("bert"),
            "--data",
            WriteTexts(texts),
            "--cache",
            _folder.File("cache"),
            "--json",
        ];
        ToolResult first = Tool.Run([.. arguments, "--output", _folder.File("1.safetensors")]).Succeeded();
        ToolResult second = Tool.Run([.. arguments, "--output", _folder.File("2.safetensors")]).Succeeded();
        Assert.Equal((20, 10, 0), Counts(first));
        Assert.Equal((20, 0, 10), Counts(second));
        Assert.Equal([20, 2, 32], first.Json["shape"].Deserialize<int[]>()!);
        Assert.Contains("10 kept from before", second.Error, StringComparison.Ordinal);
        Assert.Equal(File.ReadAllBytes(_folder.File("1.safetensors")), File.ReadAllBytes(_folder.File("2.safetensors")));
    }

    [Fact]
    public void Texts_of_standard_input_are_read_as_the_format_says()
    {
        string output = _folder.File("states.safetensors");
        Tool.RunWithInput(
            "id\tbody\n1\tone\n2\t\"two\tfields\"\n",
            "embed", "--backbone", Repository
                .Fixture("bert"), "--data", "-", "--format", "tsv", "--text-column", "body", "--cache", "none", "--output", output).Succeeded();
        Assert.Equal([2, 2, 32], new GoldenTensors(output).Shape("embeddings"));
    }

    [Fact]
    public void Standard_input_needs_a_format()
    {
        ToolResult result = Tool.Run(
            "embed", "--backbone", Repository.Fixture("bert"), "--data", "-", "--output", _folder.File("states.safetensors"));
        Assert.Contains("give --format", result.Refused(), StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private static (int Texts, int Computed, int Cached) Counts(ToolResult result) =>
        ((int)result.Json["texts"]!, (int)result.Json["computed"]!, (int)result.Json["cached"]!);

    private GoldenTensors Embed(string backbone, Golden golden, string poolings) =>
        Embed(backbone, golden.Texts, "--max-tokens", $"{golden.MaxTokens}", "--depths", "all", "--pooling", poolings);

    private GoldenTensors Embed(string backbone, string[] texts, params string[] options)
    {
        string output = _folder.File("states.safetensors");
        string[] arguments =
        [
            "embed",
            "--backbone",
            backbone,
            "--data",
            WriteTexts(texts),
            "--precision",
            "fp32",
            "--cache",
            "none",
            "--output",
            output,
        ];
        Tool.Run([.. arguments, .. options]).Succeeded();
        return new GoldenTensors(output);
    }

    private string WriteTexts(string[] texts) =>
        _folder.Write("texts.jsonl", string.Concat(texts.Select(text => JsonSerializer.Serialize(new { text }) + "\n")));

    /// <summary>
    /// The tensors of an embedding at all depths: embeddings [N,D,H], where D counts the poolings of each depth, and the depths [D].
    /// </summary>
    private static void AssertGolden(Golden golden, GoldenTensors states, params string[] poolings)
    {
        long[] depths = states.Values<long>("depths");
        Assert.Equal(Enumerable.Range(0, depths.Length).Select(d => (long)(d / poolings.Length)), depths);
        (int n, int d, int h) = (golden.Texts.Length, depths.Length, (int)states.Shape("embeddings")[2]);
        Assert.Equal([n, d, h], states.Shape("embeddings"));
        float[] embeddings = states.Values<float>("embeddings"); // [N,D,H]
        for (int view = 0; view < d; view++)
        {
            float[] found = Enumerable.Range(0, n * h).Select(i => embeddings[(i / h * d + view) * h + i % h]).ToArray(); // [N,H]
            AssertClose(golden.Pooled(poolings[view % poolings.Length], (int)depths[view]), found);
        }
    }

    private static void AssertClose(float[] expected, float[] found)
    {
        Assert.Equal(expected.Length, found.Length);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], found[i], Tolerance);
    }
}
