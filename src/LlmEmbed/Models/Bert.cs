using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// BERT, RoBERTa and XLM-RoBERTa. The latter two count positions from pad id + 1 and do not count padding tokens.
/// Hugging Face: modeling_bert.py, modeling_roberta.py, modeling_xlm_roberta.py.
/// </summary>
internal sealed class Bert : PostNormEncoder
{
    private readonly bool _isRoberta;
    private readonly int _tokenTypes;

    public Bert(Checkpoint checkpoint)
        : base(checkpoint, ReadShape(checkpoint.Config))
    {
        _isRoberta = checkpoint.Config.ModelType != "bert";
        _tokenTypes = checkpoint.Config.Size("type_vocab_size", 2);
    }

    public override bool HasPooler => Checkpoint.Weights.ContainsKey($"{Prefix}pooler.dense.weight");

    protected override int TokenTypes => _tokenTypes;

    protected override int FirstPosition => _isRoberta ? PadId + 1 : 0;

    protected override LayerNormLayer EmbeddingNorm => Norm($"{Prefix}embeddings.LayerNorm");

    public override string Pool(Layers layers, string firstToken) => Pool(layers, firstToken, $"{Prefix}pooler.dense");

    protected override EncoderBlock LayersOf(int block) => BertBlock($"{Prefix}encoder.layer.{block}");

    protected override int PositionOf(int id, ref int next) => _isRoberta && id == PadId ? PadId : next++;

    private static EncoderShape ReadShape(ModelConfig config)
    {
        config.Require("hidden_act", "gelu");
        config.Require("position_embedding_type", "absolute");
        return ReadSizes(config, defaultPadId: config.ModelType == "bert" ? 0 : 1);
    }
}
