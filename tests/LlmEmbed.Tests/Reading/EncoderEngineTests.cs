using System.Buffers;
using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;
using Xunit;

namespace LlmEmbed.Tests.Reading;

public sealed class EncoderEngineTests : IDisposable
{
    private static readonly string[] Texts =
    [
        "A parcel that never came.",
        "Oil prices rose again on Tuesday, by more than anybody had expected.",
        "so funny",
        "It was fine.",
    ];

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Starters => [.. BackboneLocator.Starters];

    [Theory]
    [MemberData(nameof(Starters))]
    public void Auto_takes_int8_for_the_starter_backbones_and_says_why(string backbone)
    {
        Assert.SkipUnless(Int8Weights.Steps == 127, "this processor has no exact 8-bit products, so weights get 7 bits and may differ too much");
        using TextEncoder encoder = Load(backbone, Precision.Auto, QuantizedWeights.Folder); // the comparison is made once in a run of the tests
        Assert.Equal(Precision.Int8, encoder.Precision);
        Assert.StartsWith("centred cosine of int8 with fp32 0.99", encoder.PrecisionReason, StringComparison.Ordinal);
    }

    [Fact]
    public void Auto_takes_fp32_where_int8_is_too_far_off_and_says_so()
    {
        using TextEncoder encoder = Requests.LoadEncoder(Repository.Fixture("gemma3-nested"));
        Assert.Equal(Precision.Fp32, encoder.Precision);
        Assert.StartsWith("centred cosine of int8 with fp32 0.98", encoder.PrecisionReason, StringComparison.Ordinal);
        Assert.EndsWith(", less than 0.99", encoder.PrecisionReason, StringComparison.Ordinal);
    }

    [Fact]
    public void Auto_takes_fp32_where_no_block_runs()
    {
        using TextEncoder encoder = Requests.LoadEncoder(Repository.Fixture("bert"), new() { Views = ViewSelection.At("0") });
        Assert.Equal(Precision.Fp32, encoder.Precision);
    }

    [Fact]
    public void What_was_asked_for_is_taken()
    {
        foreach (Precision precision in new[] { Precision.Fp32, Precision.Int8 })
        {
            using TextEncoder encoder = Load("all-minilm-l6-v2", precision);
            Assert.Equal((precision, ""), (encoder.Precision, encoder.PrecisionReason));
        }
    }

    [Theory]
    [InlineData(Precision.Fp32)]
    [InlineData(Precision.Int8)]
    public void What_memory_held_before_does_not_show_in_padding(Precision precision)
    {
        using TextEncoder encoder = Load("all-minilm-l6-v2", precision);
        float[] expected = encoder.Encode(Texts, cancellationToken: TestContext.Current.CancellationToken).Values.ToArray();
        // Every size that a batch of these texts may ask for.
        for (int size = 1 << 10; size <= 1 << 16; size *= 2)
        {
            float[] poisoned = ArrayPool<float>.Shared.Rent(size);
            Array.Fill(poisoned, float.NaN);
            ArrayPool<float>.Shared.Return(poisoned);
        }
        Assert.Equal(expected, encoder.Encode(Texts, cancellationToken: TestContext.Current.CancellationToken).Values.ToArray());
    }

    [Theory]
    [MemberData(nameof(Starters))]
    public void Weights_that_were_kept_give_the_same_embeddings_as_those_quantized_now(string backbone)
    {
        float[] now = Encode(backbone, null), first = Encode(backbone, _folder.Path), kept = Encode(backbone, _folder.Path);
        Assert.NotEmpty(KeptFiles());
        Assert.Equal(now, first);
        Assert.Equal(now, kept);
    }

    [Fact]
    public void Kept_weights_that_are_damaged_are_made_again()
    {
        float[] expected = Encode("all-minilm-l6-v2", _folder.Path);
        string file = KeptFiles()[^1];
        byte[] bytes = File.ReadAllBytes(file);
        File.WriteAllBytes(file, bytes[..^100]);
        Assert.Equal(expected, Encode("all-minilm-l6-v2", _folder.Path));
        Assert.Equal(bytes, File.ReadAllBytes(file));
    }

    [Fact]
    public void A_folder_that_cannot_be_written_costs_only_time() =>
        Assert.Equal(Encode("all-minilm-l6-v2", null), Encode("all-minilm-l6-v2", _folder.Write("file", "")));

    [Theory]
    [InlineData("smollm2-135m-instruct", 500_000_000)]
    [InlineData("all-minilm-l6-v2", 290_000_000)]
    public void A_backbone_that_is_loaded_in_parts_gives_the_same_embeddings(string backbone, long memory)
    {
        foreach (Precision precision in new[] { Precision.Fp32, Precision.Int8 })
        {
            EncoderOptions options = new() { Precision = precision, Views = ViewSelection.At("0,50%,-1") };
            using TextEncoder whole = Requests.LoadEncoder(backbone, options, Requests.Runtime with { WeightsFolder = QuantizedWeights.Folder });
            // quantizes part by part as well
            using TextEncoder parts = Requests.LoadEncoder(backbone, options, Requests.Runtime with { MemoryBytes = memory });
            float[] expected = [.. whole.Encode(Texts, cancellationToken: TestContext.Current.CancellationToken).Values];
            float[] actual = [.. parts.Encode(Texts, cancellationToken: TestContext.Current.CancellationToken).Values];
            if (precision == Precision.Fp32) Assert.True(parts.Reader.MemoryPlan.IsStreamed);
            Vectors.AssertClose(expected, actual, 1e-5f * expected.Max(MathF.Abs), $"{precision}");
        }
    }

    [Fact]
    public void Memory_that_does_not_hold_one_block_is_refused()
    {
        EncoderOptions options = new() { Precision = Precision.Fp32 };
        RuntimeOptions runtime = Requests.Runtime with { MemoryBytes = 250_000_000 };
        string message = Assert.Throws<LlmEmbedException>(() => Requests.LoadEncoder("smollm2-135m-instruct", options, runtime)).Message;
        Assert.Contains("one block at a time takes about", message, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private string[] KeptFiles() =>
        [.. Directory.GetFiles(Path.Combine(_folder.Path, "weights"), "*.safetensors", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];

    private static TextEncoder Load(string backbone, Precision precision, string? folder = null) =>
        Requests.LoadEncoder(backbone, new() { Precision = precision }, Requests.Runtime with { WeightsFolder = folder });

    private static float[] Encode(string backbone, string? folder)
    {
        using TextEncoder encoder = Load(backbone, Precision.Int8, folder);
        return encoder.Encode(Texts, cancellationToken: TestContext.Current.CancellationToken).Values.ToArray();
    }
}
