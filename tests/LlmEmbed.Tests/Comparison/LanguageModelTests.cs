using System.Numerics.Tensors;
using LlmEmbed.Checkpoints;
using LlmEmbed.Comparison;
using LlmEmbed.Engine;
using LlmEmbed.Evaluation;
using LlmEmbed.Models;
using LlmEmbed.Reading;
using LlmEmbed.Tests.Models;
using Xunit;

namespace LlmEmbed.Tests.Comparison;

/// <summary>What the cache gives is held to what the encoder gives without one, whose states are proved against Hugging Face.</summary>
public sealed class LanguageModelTests
{
    private const float Tolerance = 2e-4f;

    /// <summary>
    /// Untied and tied heads, windows, biases, norms of heads, scaled positions, blocks without positions, partly turned heads, factors.
    /// </summary>
    public static TheoryData<string> Folders =>
    [
        "llama-mha", "llama-gqa", "llama3-rope", "mistral", "qwen2", "qwen3", "phi3", "phi3-longrope", "smollm3", "granite", "olmo2", "olmo3",
        "gemma3-global", "stablelm",
    ];

    [Theory]
    [MemberData(nameof(Folders))]
    public void Log_probabilities_are_those_of_the_golden_last_state_times_the_heads_weights(string folder)
    {
        using Decoder decoder = new(folder);
        using Golden golden = Golden.OfFixture(folder);
        using LanguageModel model = decoder.Model(golden.Ids.Length);
        for (int row = 0; row < golden.Ids.Length; row++) model.Read(row, golden.Ids[row]);
        float[] states = golden.Pooled("last", decoder.Backbone.BlockCount); // [B,H]
        Vectors.AssertClose(
            [.. states.Chunk(decoder.Backbone.HiddenSize).SelectMany(decoder.LogProbabilities)],
            model.LogProbabilities(golden.Ids.Length).ToArray(),
            Tolerance,
            folder);
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void A_text_read_in_parts_gives_what_it_gives_as_a_whole(string folder)
    {
        using Decoder decoder = new(folder);
        int[] ids = decoder.LongestIds();
        using LanguageModel model = decoder.Model(rows: 3);
        model.Read(0, ids);
        model.Read(1, ids[..5]);
        model.Read(1, ids[5..9]);
        model.Read(1, ids[9..]);
        model.Read(2, ids[..2]);
        model.Copy(2, 1);
        model.Read(1, ids[2..]);
        model.Read(2, [1, 2, 3]); // another text, which is forgotten again
        model.Cut(2, 2);
        model.Read(2, ids[2..]);
        float[][] rows = [.. model.LogProbabilities(3).ToArray().Chunk(decoder.Backbone.VocabularySize)];
        Vectors.AssertClose(rows[0], rows[1], Tolerance, folder);
        Vectors.AssertClose(rows[0], rows[2], Tolerance, folder);
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void Greedy_tokens_of_several_rows_at_once_are_those_of_reading_everything_again_for_each(string folder)
    {
        const int Steps = 12;
        using Decoder decoder = new(folder);
        int[][] prompts = [[.. decoder.LongestIds().Take(20)], [5, 6, 7], [8]];
        using LanguageModel model = decoder.Model(prompts.Length);
        for (int row = 0; row < prompts.Length; row++) model.Read(row, prompts[row]);
        List<int>[] cached = [[], [], []], full = [[], [], []];
        for (int step = 0; step < Steps; step++)
        {
            int[] next = RowMaxima.IndexesOf(model.LogProbabilities(prompts.Length), decoder.Backbone.VocabularySize);
            for (int row = 0; row < prompts.Length; row++)
            {
                cached[row].Add(next[row]);
                full[row].Add(TensorPrimitives.IndexOfMax(decoder.LogProbabilities(decoder.LastState([.. prompts[row], .. full[row]]))));
            }
            model.Step(next);
        }
        Assert.Equal(full, cached);
        Assert.True(cached.SelectMany(ids => ids).Distinct().Count() > 3);
    }

    [Fact]
    public void A_full_row_takes_no_more()
    {
        using Decoder decoder = new("llama-gqa");
        using LanguageModel model = new(decoder.Backbone, decoder.NewLayers, rows: 1, capacity: 4, threads: 0);
        model.Read(0, [1, 2, 3, 4]);
        Assert.Throws<InvalidOperationException>(() => model.Step([5]));
    }

    private sealed class Decoder : IDisposable
    {
        private readonly WeightStore _store = new();
        private readonly Checkpoint _checkpoint;
        private readonly EncoderSession _session;
        private readonly float[][] _head; // [V][H]
        private readonly string _folder;

        public Decoder(string folder)
        {
            _folder = folder;
            _checkpoint = Checkpoint.Open(Repository.Fixture(folder));
            Backbone = Backbone.Create(_checkpoint);
            View last = new(Backbone.BlockCount, Pooling.Last);
            _session = new EncoderSession(
                Backbone, NewLayers(), new BlockRange(0, Backbone.BlockCount), [last], Backbone.MaxTokens, padTo: null, threads: 0);
            // A tied checkpoint has no lm_head.
            string head = _checkpoint.Weights.ContainsKey("lm_head.weight") ? "lm_head.weight" : "model.embed_tokens.weight";
            float[] values = new float[Backbone.VocabularySize * Backbone.HiddenSize];
            _checkpoint.Require(head, Backbone.VocabularySize, Backbone.HiddenSize).CopyTo(values);
            if (_checkpoint.Config.ModelType == "granite") TensorPrimitives.Divide(values, 8, values); // its logits_scaling
            _head = [.. values.Chunk(Backbone.HiddenSize)];
        }

        public Backbone Backbone { get; }

        public Layers NewLayers() => new(new Float32Lowering(_checkpoint, _store));

        public LanguageModel Model(int rows) => new(Backbone, NewLayers, rows, Backbone.MaxTokens, threads: 0);

        public int[] LongestIds()
        {
            using Golden golden = Golden.OfFixture(_folder);
            return golden.Ids.MaxBy(ids => ids.Length)!;
        }

        public float[] LastState(int[] ids)
        {
            float[] state = new float[Backbone.HiddenSize];
            _session.Run([ids], state);
            return state;
        }

        public float[] LogProbabilities(float[] state)
        {
            double[] logits = [.. _head.Select(row => (double)TensorPrimitives.Dot<float>(row, state))];
            double total = Math.Log(logits.Sum(value => Math.Exp(value - logits.Max()))) + logits.Max();
            return [.. logits.Select(value => (float)(value - total))];
        }

        public void Dispose()
        {
            _session.Dispose();
            _store.Dispose();
            _checkpoint.Dispose();
        }
    }
}
