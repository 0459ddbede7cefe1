using System.Numerics.Tensors;
using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;
using LlmEmbed.Files;
using LlmEmbed.Models;
using LlmEmbed.Reading;
using Xunit;

namespace LlmEmbed.Tests.Models;

public sealed class BackboneTests
{
    /// <summary>The fixtures state 2e-4 for fp32; states reach 21.</summary>
    private const float Tolerance = 2e-4f;

    public static TheoryData<string> Folders =>
    [
        "llama-mha", "llama-gqa", "llama3-rope", "mistral", "qwen2", "qwen3", "qwen3-bidirectional",
        "bert", "bert-mlm", "bert-old-names", "roberta", "distilbert", "xlm-roberta", "modernbert", "mpnet", "gte",
        "gemma3-global", "gemma3-nested", "gemma3-bidirectional", "gemma2", "phi3", "phi3-longrope", "smollm3", "granite", "olmo2", "olmo3",
        "eurobert", "nomic-bert", "stablelm", "electra", "albert", "gpt2", "gpt-neox", "t5-encoder", "deberta-v2",
    ];

    [Theory]
    [MemberData(nameof(Folders))]
    public void Every_pooling_at_every_depth_equals_the_golden_hidden_states(string folder)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fixture(folder));
        Backbone backbone = Backbone.Create(checkpoint);
        using Golden golden = Golden.OfFixture(folder);
        foreach (Pooling pooling in new[] { Pooling.Mean, Pooling.Last, Pooling.First, Pooling.Max, Pooling.MeanSkipFirst, Pooling.WeightedMean })
        {
            View[] views = Enumerable.Range(0, backbone.BlockCount + 1).Select(depth => new View(depth, pooling)).ToArray();
            AssertEqualsGolden(checkpoint, backbone, views, golden);
        }
    }

    [Theory]
    [InlineData("bert")]
    [InlineData("bert-old-names")]
    [InlineData("roberta")]
    [InlineData("xlm-roberta")]
    [InlineData("albert")]
    public void The_pooler_equals_the_golden_pooler_output(string folder)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fixture(folder));
        Backbone backbone = Backbone.Create(checkpoint);
        using Golden golden = Golden.OfFixture(folder);
        Assert.True(backbone.HasPooler);
        AssertEqualsGolden(checkpoint, backbone, [new View(backbone.BlockCount, Pooling.Pooler)], golden);
    }

    [Theory]
    [InlineData("llama-mha", "F32", "F16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1")]
    [InlineData("llama-gqa", "F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1")]
    public void Gguf_files_give_the_golden_states_of_their_dequantized_weights(string source, params string[] types)
    {
        foreach (string type in types)
        {
            string golden = Repository.Fixture("gguf", $"{source}-{type}.golden.safetensors");
            using Golden states = File.Exists(golden) ? new Golden(Repository.Fixture(source, "golden.json"), golden) : Golden.OfFixture(source);
            AssertGguf($"{source}-{type}.gguf", states);
        }
    }

    [Fact]
    public void K_quantized_gguf_gives_the_golden_states()
    {
        using Golden golden = new(Repository.Fixture("gguf", "kquants.golden.json"), Repository.Fixture("gguf", "kquants.golden.safetensors"));
        AssertGguf("kquants.gguf", golden);
    }

    /// <summary>States of SmolLM2 reach 23,000, so its tolerance is relative to the largest value of a depth; MiniLM's is absolute.</summary>
    [Theory]
    [InlineData("smollm2-135m-instruct", 1e-4f, true)]
    [InlineData("all-minilm-l6-v2", 2e-5f, false)]
    public void The_starter_backbones_give_the_golden_states_at_every_depth(string name, float tolerance, bool relative)
    {
        using Checkpoint checkpoint = Checkpoint.Open(BackboneLocator.Find(name, [Repository.Models]).Path);
        Backbone backbone = Backbone.Create(checkpoint);
        using Golden golden = new(Repository.Fixture("starter", $"{name}.golden.json"), Repository.Fixture("starter", $"{name}.golden.safetensors"));
        int depths = backbone.BlockCount + 1;
        int h = backbone.HiddenSize;
        Pooling[] poolings = [Pooling.Mean, Pooling.Last, Pooling.First];
        View[] views = [.. poolings.SelectMany(pooling => Enumerable.Range(0, depths).Select(depth => new View(depth, pooling)))];
        float[] actual = Run(checkpoint, backbone, views, golden.Ids); // [N,3(L+1),H]
        foreach ((int p, Pooling pooling) in poolings.Index())
        {
            float[] expected = golden.Tensor(Poolings.NameOf(pooling)); // [N,L+1,H]
            for (int depth = 0; depth < depths; depth++)
            {
                int[] places = Enumerable.Range(0, expected.Length).Where(i => i / h % depths == depth).ToArray();
                float largest = relative ? places.Max(i => MathF.Abs(expected[i])) : 1;
                float difference = places.Max(i => MathF.Abs(expected[i] - actual[PlaceOf(i)]));
                Assert.True(difference <= tolerance * largest, $"{pooling} at depth {depth}: differs by {difference}, largest value {largest}");
            }

            // From [N,L+1,H] of one pooling to [N,3(L+1),H] of all.
            int PlaceOf(int i) => (i / (h * depths) * poolings.Length + p) * depths * h + i % (h * depths);
        }
    }

    [Theory]
    [InlineData("llama-mha", "llama", 40)]
    [InlineData("bert", "bert", 48)]
    [InlineData("roberta", "roberta", 48)]
    public void Padding_to_a_fixed_length_gives_the_released_recipe(string folder, string tensor, int length)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fixture(folder));
        Backbone backbone = Backbone.Create(checkpoint);
        using SafetensorsFile golden = SafetensorsFile.Open(Repository.Fixture("released-recipe", "golden.safetensors"));
        int[][] ids = Golden.ReleasedRecipeIds(folder);
        View[] views = tensor switch
        {
            "llama" => [new(3, Pooling.MeanWithPads), new(2, Pooling.MeanWithPads), new(1, Pooling.MeanWithPads), new(0, Pooling.MeanWithPads)],
            "bert" => [new(backbone.BlockCount, Pooling.Pooler)],
            _ => [new(backbone.BlockCount, Pooling.First)],
        };
        float[] actual = Run(checkpoint, backbone, views, ids, padTo: length);
        Vectors.AssertClose(golden.ReadFloat32(tensor), actual, Tolerance, tensor);
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void A_text_gives_the_same_embedding_alone_in_any_batch_and_in_any_order(string folder)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fixture(folder));
        int[][] ids = Golden.OfFixture(folder).Ids;
        foreach (Precision precision in Precisions) AssertBatchInvariant(checkpoint, ids, precision);
    }

    [Theory]
    [InlineData("smollm2-135m-instruct")]
    [InlineData("all-minilm-l6-v2")]
    public void A_starter_backbone_gives_the_same_embedding_alone_in_any_batch_and_in_any_order(string name)
    {
        using Checkpoint checkpoint = Checkpoint.Open(BackboneLocator.Find(name, [Repository.Models]).Path);
        using Golden golden = new(Repository.Fixture("starter", $"{name}.golden.json"), Repository.Fixture("starter", $"{name}.golden.safetensors"));
        foreach (Precision precision in Precisions)
            AssertBatchInvariant(checkpoint, [.. golden.Ids, [.. golden.Ids.SelectMany(ids => ids)]], precision);
    }

    /// <summary>
    /// The bound is the one by which <c>auto</c> decides for int8. The scores of T5 are not scaled, so single tokens of its random checkpoint are
    /// further off, and <c>auto</c> would take fp32 for them.
    /// </summary>
    [Theory]
    [MemberData(nameof(Folders))]
    public void States_in_int8_are_close_enough_to_those_in_fp32(string folder)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fixture(folder));
        Backbone backbone = Backbone.Create(checkpoint);
        using Golden golden = Golden.OfFixture(folder);
        IEnumerable<int> depths = Enumerable.Range(1, backbone.BlockCount);
        View[] views = [.. depths.SelectMany(depth => new View[] { new(depth, Pooling.Mean), new(depth, Pooling.Last) })];
        using Int8Weights weights = Calibration.Quantize(checkpoint, backbone, backbone.BlockCount, golden.Ids, threads: 1);
        using WeightStore store = new();
        Layers layers = new(new Int8Lowering(checkpoint, store, weights));
        using EncoderSession session =
            new(backbone, layers, new BlockRange(0, backbone.BlockCount), views, golden.MaxTokens, padTo: null, threads: 1);
        float[] quantized = Run(session, golden.Ids, views.Length * backbone.HiddenSize); // [B,D,H]
        for (int v = 0; v < views.Length; v++)
        {
            float[] exact = golden.Pooled(Poolings.NameOf(views[v].Pooling), views[v].Depth); // [B,H]
            double cosine = golden.Ids.Select((_, text) => TensorPrimitives.CosineSimilarity<float>(
                exact.AsSpan(text * backbone.HiddenSize, backbone.HiddenSize),
                quantized.AsSpan((text * views.Length + v) * backbone.HiddenSize, backbone.HiddenSize))).Average();
            double least = folder == "t5-encoder" && views[v].Pooling == Pooling.Last ? 0.98 : Calibration.LeastSimilarity;
            Assert.True(cosine >= least && cosine < 1, $"{views[v]}: cosine {cosine}");
        }
    }

    private static readonly Precision[] Precisions = [Precision.Fp32, Precision.Int8];

    /// <summary>The promise is 1e-5 of the largest value of an embedding.</summary>
    internal static void AssertBatchInvariant(Checkpoint checkpoint, int[][] ids, Precision precision)
    {
        Backbone backbone = Backbone.Create(checkpoint);
        IReadOnlyList<View> defaults = ViewSelection.Default.Resolve(backbone.IsCausal, backbone.BlockCount);
        View[] views = [.. defaults, new(backbone.BlockCount, Pooling.Mean), new(backbone.BlockCount, Pooling.Max)];
        int row = views.Length * backbone.HiddenSize;
        using Int8Weights? weights =
            precision == Precision.Int8 ? Calibration.Quantize(checkpoint, backbone, backbone.BlockCount, ids, threads: 2) : null;
        using WeightStore store = new();
        Layers layers = new(weights is null ? new Float32Lowering(checkpoint, store) : new Int8Lowering(checkpoint, store, weights));
        using EncoderSession session =
            new(backbone, layers, new BlockRange(0, backbone.BlockCount), views, ids.Max(text => text.Length), padTo: null, threads: 2);
        float[] together = Run(session, ids, row);
        float[] reversed = Run(session, ids.Reverse().ToArray(), row);
        for (int text = 0; text < ids.Length; text++)
        {
            float[] alone = Run(session, [ids[text]], row);
            for (int view = 0; view < views.Length; view++)
            {
                ReadOnlySpan<float> Part(float[] rows, int index) => rows.AsSpan(index * row + view * backbone.HiddenSize, backbone.HiddenSize);
                float tolerance = 1e-5f * Part(alone, 0).ToArray().Max(MathF.Abs);
                Vectors.AssertClose(Part(alone, 0), Part(together, text), tolerance, $"{precision}, text {text}, {views[view]}, together");
                Vectors.AssertClose(
                    Part(alone, 0), Part(reversed, ids.Length - 1 - text), tolerance, $"{precision}, text {text}, {views[view]}, reversed");
            }
        }
    }

    private static void AssertGguf(string file, Golden golden)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fixture("gguf", file));
        Backbone backbone = Backbone.Create(checkpoint);
        foreach (Pooling pooling in new[] { Pooling.Mean, Pooling.Last })
            AssertEqualsGolden(
                checkpoint, backbone, Enumerable.Range(0, backbone.BlockCount + 1).Select(depth => new View(depth, pooling)).ToArray(), golden);
    }

    internal static void AssertEqualsGolden(Checkpoint checkpoint, Backbone backbone, View[] views, Golden golden)
    {
        int h = backbone.HiddenSize;
        float[] actual = Run(checkpoint, backbone, views, golden.Ids); // [B,D,H]
        for (int v = 0; v < views.Length; v++)
        {
            float[] expected = golden.Pooled(Poolings.NameOf(views[v].Pooling), views[v].Depth); // [B,H]
            float[] view = Enumerable.Range(0, expected.Length).Select(i => actual[(i / h * views.Length + v) * h + i % h]).ToArray();
            Vectors.AssertClose(expected, view, Tolerance, views[v].ToString());
        }
    }

    internal static float[] Run(Checkpoint checkpoint, Backbone backbone, View[] views, int[][] ids, int? padTo = null)
    {
        using WeightStore store = new();
        Layers layers = new(new Float32Lowering(checkpoint, store));
        BlockRange blocks = new(0, views.Max(view => view.Depth));
        using EncoderSession session = new(backbone, layers, blocks, views, padTo ?? ids.Max(text => text.Length), padTo, threads: 1);
        return Run(session, ids, views.Length * backbone.HiddenSize);
    }

    private static float[] Run(EncoderSession session, int[][] ids, int rowLength)
    {
        float[] rows = new float[ids.Length * rowLength];
        session.Run(ids, rows);
        return rows;
    }
}
