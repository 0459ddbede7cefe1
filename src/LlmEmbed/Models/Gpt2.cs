using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>What GPT-2 reads from its configuration. Defaults are those of transformers.</summary>
internal sealed record Gpt2Config
{
    public required int VocabularySize { get; init; }

    public required int HiddenSize { get; init; }

    public required int InnerSize { get; init; }

    public required int BlockCount { get; init; }

    public required int Heads { get; init; }

    public required int MaxPositions { get; init; }

    public required int PadId { get; init; }

    public required float Epsilon { get; init; }

    public required Activation Activation { get; init; }

    public int HeadSize => HiddenSize / Heads;

    public static Gpt2Config Read(ModelConfig config)
    {
        config.Require("scale_attn_weights", "true");
        config.Require("scale_attn_by_inverse_layer_idx", "false");
        config.Require("reorder_and_upcast_attn", "false");
        config.Require("add_cross_attention", "false");
        config.Require("is_causal", "true");
        config.Require("use_bidirectional_attention", "false");
        _ = config.Has("is_decoder"); // it is one whatever the key says
        config.RequireMultiple("n_embd", "n_head");
        int hiddenSize = config.Size("n_embd");
        return new Gpt2Config
        {
            VocabularySize = config.Size("vocab_size", 50257),
            HiddenSize = hiddenSize,
            InnerSize = config.Size("n_inner", 4 * hiddenSize),
            BlockCount = config.Size("n_layer"),
            Heads = config.Size("n_head"),
            MaxPositions = config.Size("n_positions", 1024),
            PadId = config.IntOrNull("pad_token_id") is int pad and >= 0 ? pad : 0,
            Epsilon = (float)config.Number("layer_norm_epsilon", 1e-5),
            Activation = Activations.Read(config, "activation_function", "gelu_new"),
        };
    }
}

/// <summary>
/// GPT-2: a decoder with norms before attention and MLP, learned positions and a plain MLP. Its checkpoints store the weights of linear layers as
/// [inputs, outputs]. Hugging Face: modeling_gpt2.py.
/// </summary>
internal sealed class Gpt2 : Backbone
{
    private const string Words = "wte.weight";

    private readonly Gpt2Config _config;
    private readonly Weight _words;
    private readonly Weight _positions;
    private readonly bool _isTransposed;

    public Gpt2(Checkpoint checkpoint)
        : base(checkpoint, Words)
    {
        _config = Gpt2Config.Read(checkpoint.Config);
        _words = checkpoint.Require(Prefix + Words, _config.VocabularySize, HiddenSize);
        _positions = checkpoint.Require($"{Prefix}wpe.weight", _config.MaxPositions, HiddenSize);
        // GGUF files have all weights as [outputs, inputs]. The two sizes of this one differ.
        _isTransposed = checkpoint.Require($"{Prefix}h.0.attn.c_attn.weight", -1, -1).Shape[0] == HiddenSize;
    }

    public override int BlockCount => _config.BlockCount;

    public override int HiddenSize => _config.HiddenSize;

    public override int VocabularySize => _config.VocabularySize;

    public override int MaxTokens => _config.MaxPositions;

    public override bool IsCausal => true;

    public override int PadId => _config.PadId;

    public override void Embed(ReadOnlySpan<int> ids, Span<float> destination) => EmbedBehind(0, ids, destination);

    public override void EmbedBehind(int before, ReadOnlySpan<int> ids, Span<float> destination)
    {
        float[] scratch = new float[HiddenSize];
        for (int t = 0; t < ids.Length; t++)
        {
            Span<float> token = destination.Slice(t * HiddenSize, HiddenSize);
            _words.CopyRow(ids[t], token);
            AddRow(_positions, before + t, scratch, token);
        }
    }

    public override void Forward(Layers layers, AttentionInputs inputs, BlockRange blocks, Action<int, string> keep)
    {
        string hidden = inputs.Embeddings; // [B,T,H]
        if (blocks.First == 0) keep(0, hidden);
        for (int block = blocks.First; block < blocks.End; block++)
        {
            string name = $"{Prefix}h.{block}";
            hidden = layers.Add(Attention(layers, layers.Norm(hidden, Norm($"{name}.ln_1")), block, inputs), hidden);
            hidden = layers.Add(Mlp(layers, layers.Norm(hidden, Norm($"{name}.ln_2")), $"{name}.mlp"), hidden);
            // The last hidden state is the one after the final norm.
            keep(block + 1, block + 1 == BlockCount ? layers.Norm(hidden, Norm($"{Prefix}ln_f")) : hidden);
        }
    }

    private string Attention(Layers layers, string input, int block, AttentionInputs inputs)
    {
        int h = HiddenSize;
        string name = $"{Prefix}h.{block}.attn";
        LinearLayer[] stored = LinearLayer.StoredIn($"{name}.c_attn", h, hasBias: true, ("query", h), ("key", h), ("value", h));
        string[] queryKeyValue = [.. stored.Select(layer => layers.Linear(input, layer with { IsTransposed = _isTransposed }))]; // [B,T,H] each
        inputs.KeysAndValues?.Invoke(block, queryKeyValue[1], queryKeyValue[2]);
        AttentionShape shape = new(_config.Heads, _config.Heads, _config.HeadSize, 1 / MathF.Sqrt(_config.HeadSize)) { IsCausal = true };
        string attention = layers.Attend(
            queryKeyValue[0], queryKeyValue[1], queryKeyValue[2], shape, inputs.Lengths, prefix: inputs.Prefix?.Of(block));
        return layers.Linear(attention, Linear($"{name}.c_proj", h, h));
    }

    private string Mlp(Layers layers, string input, string name)
    {
        string inner = layers.Linear(input, Linear($"{name}.c_fc", HiddenSize, _config.InnerSize)); // [B,T,I]
        return layers.Linear(layers.Activate(inner, _config.Activation), Linear($"{name}.c_proj", _config.InnerSize, HiddenSize));
    }

    public override long ParameterCount(int depth)
    {
        long h = HiddenSize, inner = _config.InnerSize;
        long block = 4 * h * (h + 1) + h * inner + inner + inner * h + h + 4 * h;
        return depth * block + (depth == BlockCount ? 2 * h : 0);
    }

    private LinearLayer Linear(string name, int inputs, int outputs) => new(name, inputs, outputs, HasBias: true) { IsTransposed = _isTransposed };

    private LayerNormLayer Norm(string name) => new($"{name}.weight", $"{name}.bias", HiddenSize, _config.Epsilon);
}
