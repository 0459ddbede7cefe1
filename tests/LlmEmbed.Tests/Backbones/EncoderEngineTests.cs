using LlmEmbed.Backbones;
using Xunit;

namespace LlmEmbed.Tests.Backbones;

public sealed class EncoderEngineTests : IDisposable
{
    private static readonly string[] Texts = ["A parcel that never came.", "Oil prices rose again on Tuesday, by more than anybody had expected.", "so funny", "It was fine."];

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Starters => [.. BackboneLocator.Starters];

    [Theory]
    [MemberData(nameof(Starters))]
    public void Auto_takes_int8_for_the_starter_backbones_and_says_why(string backbone)
    {
        Assert.SkipUnless(Int8Weights.Steps == 127, "this processor has no exact 8-bit products, so weights get 7 bits and may differ too much");
        using TextEncoder encoder = Load(backbone, Precision.Auto);
        Assert.Equal(Precision.Int8, encoder.Precision);
        Assert.StartsWith("centred cosine of int8 with fp32 0.99", encoder.PrecisionReason, StringComparison.Ordinal);
    }

    [Fact]
    public void Auto_takes_fp32_where_no_block_runs()
    {
        using TextEncoder encoder = TextEncoder.Load(Repository.Fixture("bert"), new() { Depths = "0" });
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
    [MemberData(nameof(Starters))]
    public void Weights_that_were_kept_give_the_same_embeddings_as_those_quantized_now(string backbone)
    {
        float[] now = Encode(backbone, null), first = Encode(backbone, _folder.Path), kept = Encode(backbone, _folder.Path);
        Assert.Single(Directory.GetFiles(Path.Combine(_folder.Path, "weights"), "*.safetensors"));
        Assert.Equal(now, first);
        Assert.Equal(now, kept);
    }

    [Fact]
    public void Kept_weights_that_are_damaged_are_made_again()
    {
        float[] expected = Encode("all-minilm-l6-v2", _folder.Path);
        string file = Assert.Single(Directory.GetFiles(Path.Combine(_folder.Path, "weights"), "*.safetensors"));
        byte[] bytes = File.ReadAllBytes(file);
        File.WriteAllBytes(file, bytes[..^100]);
        Assert.Equal(expected, Encode("all-minilm-l6-v2", _folder.Path));
        Assert.Equal(bytes, File.ReadAllBytes(file));
    }

    [Fact]
    public void A_folder_that_cannot_be_written_costs_only_time() => Assert.Equal(Encode("all-minilm-l6-v2", null), Encode("all-minilm-l6-v2", _folder.Write("file", "")));

    public void Dispose() => _folder.Dispose();

    private static TextEncoder Load(string backbone, Precision precision, string? folder = null) =>
        TextEncoder.Load(backbone, new() { Precision = precision, WeightsFolder = folder, ModelFolders = [Repository.Models] });

    private static float[] Encode(string backbone, string? folder)
    {
        using TextEncoder encoder = Load(backbone, Precision.Int8, folder);
        return encoder.Encode(Texts, cancellationToken: TestContext.Current.CancellationToken).Values.ToArray();
    }
}
