using LlmEmbed.Checkpoints;
using LlmEmbed.Models;
using LlmEmbed.Tests.Checkpoints;
using LlmEmbed.Tests.Tokenization;
using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Models;

/// <summary>GGUF files of all architectures but LLaMA's: their own tokenizers, and hidden states, against golden values.</summary>
public sealed class GgufFamilyTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>The states that a file without golden states of its own gives.</summary>
    private static readonly Dictionary<string, string> SameStates = new(StringComparer.Ordinal) { ["bert-oldkeys-F32"] = "bert-F32" };

    public static TheoryData<string> Files =>
        [.. Directory.GetFiles(Repository.Fixture("gguf-families"), "*.gguf").Select(file => Path.GetFileNameWithoutExtension(file)).Order()];

    [Theory]
    [MemberData(nameof(Files))]
    public void The_tokenizer_of_the_file_gives_the_ids_of_the_source(string file)
    {
        Tokenizer tokenizer = Tokenizer.Load(PathOf(file));
        using Golden golden = GoldenOf(file);
        Assert.Equal(golden.Ids, golden.Texts.Select(text => tokenizer.Encode(text, golden.MaxTokens).Ids));
        int[][] ids = GoldenTexts.Section<int[][]>(JsonOf(file), "tokenizer_golden");
        // No file says that RoBERTa's mask token takes the blanks before it along.
        string[] known = file.StartsWith("bert-roberta", StringComparison.Ordinal) || file.StartsWith("bert-unigram", StringComparison.Ordinal)
            ? ["<unk> <pad> <mask>"]
            : [];
        Assert.Equal(known, GoldenTexts.Differences(tokenizer, GoldenTexts.Texts, ids));
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void States_at_every_depth_equal_the_golden_ones(string file)
    {
        using Checkpoint checkpoint = Checkpoint.Open(PathOf(file));
        Backbone backbone = Backbone.Create(checkpoint);
        Assert.Empty(checkpoint.Config.Notes);
        using Golden golden = GoldenOf(file);
        foreach (Pooling pooling in new[] { Pooling.Mean, Pooling.Last })
        {
            View[] views = [.. Enumerable.Range(0, backbone.BlockCount + 1).Select(depth => new View(depth, pooling))];
            BackboneTests.AssertEqualsGolden(checkpoint, backbone, views, golden);
        }
        if (file.EndsWith("F32", StringComparison.Ordinal)) return; // no states of single tokens
        foreach (Pooling pooling in new[] { Pooling.First, Pooling.Max, Pooling.WeightedMean })
            BackboneTests.AssertEqualsGolden(checkpoint, backbone, [new View(backbone.BlockCount, pooling)], golden);
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void A_text_gives_the_same_embedding_alone_in_any_batch_and_in_any_order(string file)
    {
        using Checkpoint checkpoint = Checkpoint.Open(PathOf(file));
        using Golden golden = GoldenOf(file);
        foreach (Precision precision in new[] { Precision.Fp32, Precision.Int8 })
            BackboneTests.AssertBatchInvariant(checkpoint, golden.Ids, precision);
    }

    public static TheoryData<string> FilesWithPooling => [.. Files.Select(row => row.Data).Where(HasPooling)];

    [Theory]
    [MemberData(nameof(FilesWithPooling))]
    public void The_pooling_and_the_dense_layers_of_the_file_give_the_golden_vectors(string file)
    {
        using Golden golden = GoldenOf(file);
        ViewSelection sentence = ViewSelection.At(null, [Pooling.Sentence]);
        using TextEncoder encoder = Requests.LoadEncoder(
            PathOf(file), new() { Views = sentence, MaxTokens = golden.MaxTokens, Precision = Precision.Fp32 });
        float[] vectors = encoder.Encode(golden.Texts, cancellationToken: TestContext.Current.CancellationToken).Values.ToArray();
        Vectors.AssertClose(golden.Tensor("pooled"), vectors, 2e-4f, file);
    }

    [Fact]
    public void Training_on_a_folder_and_on_the_GGUF_file_made_from_it_gives_the_same_classifier()
    {
        string gguf = _folder.Write("bert.gguf", GgufOfBert.Convert(Repository.Fixture("bert")));
        string[] heads = [.. new[] { "bert", gguf }.Select(HeadOf)];
        Assert.Equal(File.ReadAllBytes(heads[0]), File.ReadAllBytes(heads[1]));

        string HeadOf(string backbone)
        {
            using TextClassifier classifier = Requests.Train(Requests.Generate(60), Requests.Options(backbone));
            string saved = _folder.File(Path.GetFileName(backbone) + "-classifier");
            classifier.Save(saved);
            return Path.Combine(saved, "head.safetensors");
        }
    }

    /// <summary>The files of language models name no pooling.</summary>
    private static bool HasPooling(string file) => GoldenTexts.Section<int?>(JsonOf(file), "pooling_type") is not null;

    private static string PathOf(string file) => Repository.Fixture("gguf-families", $"{file}.gguf");

    private static string JsonOf(string file)
    {
        string golden = SameStates.GetValueOrDefault(file, file);
        return Repository.Fixture("gguf-families", $"{golden[..golden.LastIndexOf('-')]}.json");
    }

    private static Golden GoldenOf(string file) =>
        new(JsonOf(file), Repository.Fixture("gguf-families", $"{SameStates.GetValueOrDefault(file, file)}.golden.safetensors"));
}
