using System.Text.Json.Nodes;
using LlmEmbed.Reading;
using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Reading;

/// <summary>
/// Whole repositories of sentence-transformers with what the library's encode gives (Fixtures/sentence): for each the vectors without a prompt, with
/// each of its prompts, and by default.
/// </summary>
public sealed class SentenceRepositoryTests
{
    /// <summary>The fixtures state 5e-6 at most between two implementations in fp32; ours differ by 2e-4 of the largest value at most.</summary>
    private const float Tolerance = 2e-4f;

    private const string Plain = "sentence", ByDefault = "default";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string> Repositories => [.. FoldersIn("sentence").Where(name => name != "refuse")];

    public static TheoryData<string> Refused => [.. FoldersIn("sentence", "refuse")];

    [Theory]
    [MemberData(nameof(Repositories))]
    public void The_vectors_are_those_of_the_authors_library(string folder)
    {
        Golden golden = new(folder);
        Assert.Contains(Plain, golden.Names);
        Assert.Contains(ByDefault, golden.Names);
        foreach (string name in golden.Names)
        {
            using TextEncoder encoder = Load(folder, OptionsFor(name));
            TextEmbeddings together = encoder.Encode(golden.Texts, cancellationToken: Cancellation);
            float[] expected = golden.Vectors(name);
            float tolerance = Tolerance * expected.Max(MathF.Abs);
            Vectors.AssertClose(expected, together.Values, tolerance, $"{folder}, {name}");
            for (int text = 0; text < golden.Texts.Length; text++)
                if (together.Statistics.TextsWithoutTokens is [] || !together.Statistics.TextsWithoutTokens.Contains(text))
                    Vectors.AssertClose(
                        together[text], encoder.Encode([golden.Texts[text]], cancellationToken: Cancellation).Values, tolerance,
                        $"{folder}, {name}, text {text} alone");
        }
    }

    [Theory]
    [MemberData(nameof(Repositories))]
    public void The_tokens_are_those_of_the_authors_library(string folder)
    {
        Golden golden = new(folder);
        foreach ((string name, int[][] expected) in golden.Ids)
        {
            using TextEncoder encoder = Load(folder, OptionsFor(name));
            Assert.Equal(golden.MaxTokens, encoder.MaxTokens);
            TokenizedText[] tokens = encoder.Reader.Prepare(golden.Texts, Cancellation).Tokens;
            Assert.Equal(expected, tokens.Select(text => text.Ids));
        }
    }

    [Theory]
    [MemberData(nameof(Repositories))]
    public void The_tokens_of_a_prompt_are_counted_as_the_authors_library_does(string folder)
    {
        foreach ((string name, int length) in new Golden(folder).PromptLengths)
        {
            using TextEncoder encoder = Load(folder, OptionsFor($"{Plain}.{name}"));
            TextPreparation preparation = new(encoder.Reader.Backbone, encoder.Reader.Plan, threads: 1);
            Assert.Equal(length, preparation.Prompt.Before);
        }
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public void What_is_not_implemented_is_refused_by_name(string folder)
    {
        string[] names = [.. JsonNode.Parse(File.ReadAllText(Path.Combine(FolderOf($"refuse/{folder}"), "expect.json")))!["error_names"]!.AsArray()
            .Select(name => (string)name!)];
        string message = Assert.Throws<LlmEmbedException>(() => Load($"refuse/{folder}", new EncoderOptions())).Message;
        Assert.NotEmpty(names);
        Assert.All(names, name => Assert.Contains(name, message, StringComparison.Ordinal));
        Assert.DoesNotContain('\n', message);
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public void The_depths_of_a_refused_repository_can_be_read_and_it_is_said_what_cannot(string folder)
    {
        using TextEncoder encoder = TextEncoder.Load(
            FolderOf($"refuse/{folder}"), new EncoderOptions { Views = ViewSelection.At("1") }, new RuntimeOptions { Threads = 1 },
            cancellationToken: Cancellation);
        Assert.Equal(1, encoder.Encode(["a text"], cancellationToken: Cancellation).Count);
        Assert.Contains(encoder.Warnings, warning => warning.StartsWith("The view 'sentence' cannot be read", StringComparison.Ordinal));
    }

    private static IEnumerable<string> FoldersIn(params string[] parts) =>
        Directory.GetDirectories(Repository.Fixture(parts)).Select(folder => Path.GetFileName(folder)).Order(StringComparer.Ordinal);

    private static string FolderOf(string name) => Repository.Fixture(["sentence", .. name.Split('/')]);

    private static TextEncoder Load(string folder, EncoderOptions options) => TextEncoder.Load(
        FolderOf(folder), options with { Views = ViewSelection.At(null, [Pooling.Sentence]) }, new RuntimeOptions { Threads = 1 },
        cancellationToken: Cancellation);

    /// <summary>The options for what the golden files call <c>sentence</c>, <c>sentence.NAME</c> and <c>default</c>.</summary>
    private static EncoderOptions OptionsFor(string name)
    {
        EncoderOptions options = new() { Precision = Precision.Fp32 };
        return name switch
        {
            ByDefault => options,
            Plain => options with { Prompt = "" },
            _ => options with { PromptName = name[(Plain.Length + 1)..] },
        };
    }

    /// <summary>What the authors' library gives for a repository.</summary>
    private sealed class Golden
    {
        private readonly GoldenTensors _tensors;

        public Golden(string folder)
        {
            _tensors = new GoldenTensors("sentence", folder, "golden.safetensors");
            JsonNode json = JsonNode.Parse(File.ReadAllText(Path.Combine(FolderOf(folder), "golden.json")))!;
            Texts = [.. json["texts"]!.AsArray().Select(text => (string)text!)];
            MaxTokens = (int)json["max_seq_length"]!;
            Ids = json["ids"]!.AsObject().ToDictionary(
                entry => entry.Key,
                entry => entry.Value!.AsArray().Select(text => text!.AsArray().Select(id => (int)id!).ToArray()).ToArray(),
                StringComparer.Ordinal);
            PromptLengths = json["prompt_lengths"]!.AsObject().ToDictionary(entry => entry.Key, entry => (int)entry.Value!, StringComparer.Ordinal);
        }

        public string[] Texts { get; }

        public int MaxTokens { get; }

        public IReadOnlyDictionary<string, int[][]> Ids { get; }

        public IReadOnlyDictionary<string, int> PromptLengths { get; }

        public IReadOnlyList<string> Names => [.. _tensors.Names];

        public float[] Vectors(string name) => _tensors.Values<float>(name);
    }
}
