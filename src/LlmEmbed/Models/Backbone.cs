using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;
using LlmEmbed.Reading;

namespace LlmEmbed.Models;

/// <summary>
/// A frozen language model: reads its configuration and weights from a checkpoint and writes its forward pass into a graph, block by block, up to a wanted depth.
/// Each architecture is one file. The table of token embeddings stays in the checkpoint and is read row by row (<see cref="Embed"/>), so that it costs no memory.
/// </summary>
internal abstract class Backbone
{
    protected Backbone(Checkpoint checkpoint) => Checkpoint = checkpoint;

    /// <summary>L, the number of blocks.</summary>
    public abstract int BlockCount { get; }

    /// <summary>H.</summary>
    public abstract int HiddenSize { get; }

    public abstract int VocabularySize { get; }

    /// <summary>The longest input, in tokens, that the model has positions for.</summary>
    public abstract int MaxTokens { get; }

    /// <summary>True where a token sees only the tokens before it.</summary>
    public abstract bool IsDecoder { get; }

    /// <summary>True where the checkpoint carries BERT's pooler.</summary>
    public virtual bool HasPooler => false;

    /// <summary>The language-model head, hidden state → logits [V]; null where the backbone has none.</summary>
    public virtual ProjectionGroup? LanguageHead => null;

    /// <summary>Decoders: the heads whose keys and values can be kept.</summary>
    public virtual HeadShape KeyValueHeads => throw new NotSupportedException("This backbone keeps no keys and values.");

    /// <summary>The id that stands for padding; 0 where the model has none of its own, as the released LLMEmbed recipe does it.</summary>
    public abstract int PadId { get; }

    public Checkpoint Checkpoint { get; }

    /// <summary>Chooses the architecture by the configuration's <c>model_type</c> and reads the configuration; weights are read later.</summary>
    /// <exception cref="LlmEmbedException">The architecture, or something that its configuration asks for, is not implemented.</exception>
    public static Backbone Create(Checkpoint checkpoint)
    {
        Backbone backbone = checkpoint.Config.ModelType switch
        {
            "llama" or "mistral" or "qwen2" or "qwen3" => new Llama(checkpoint),
            "bert" or "roberta" or "xlm-roberta" => new Bert(checkpoint),
            "distilbert" => new DistilBert(checkpoint),
            string other => throw new LlmEmbedException(
                $"{checkpoint.Config.Source}: model_type '{other}' is not implemented. Implemented: llama, mistral, qwen2, qwen3, bert, roberta, xlm-roberta, distilbert.")
            { FilePath = checkpoint.Config.Source },
        };
        checkpoint.Config.RefuseUnread();
        // Blocks are listed and counted before the weights of the last one are asked for.
        if (backbone.BlockCount > checkpoint.Weights.Count)
            throw new LlmEmbedException(
                $"{checkpoint.Config.Source}: {backbone.BlockCount} blocks are asked for, but the checkpoint has only {checkpoint.Weights.Count} tensors.")
            { FilePath = checkpoint.Config.Source };
        return backbone;
    }

    /// <summary>Writes what enters the first block for each token: [T,H], row after row.</summary>
    public abstract void Embed(ReadOnlySpan<int> ids, Span<float> destination);

    /// <summary>Adds the forward pass of some blocks to the graph.</summary>
    /// <param name="layers">Where nodes and weights go.</param>
    /// <param name="inputs">The values that each run feeds.</param>
    /// <param name="blocks">The blocks. What enters is the token embeddings for the first block of all, else the hidden state before the first one here.</param>
    /// <param name="keep">Called with each depth that is reached, depth 0 included if it is among them, and the name of its hidden state [B,T,H].</param>
    public abstract void Forward(Layers layers, AttentionInputs inputs, BlockRange blocks, Action<int, string> keep);

    /// <summary>Adds BERT's pooler on top of the state of depth L.</summary>
    /// <param name="graph">Where nodes and weights go.</param>
    /// <param name="firstToken">The first token's state [B,H].</param>
    /// <returns>The name of the pooler output [B,H].</returns>
    public virtual string Pool(OnnxGraph graph, string firstToken) => throw new NotSupportedException("This backbone has no pooler.");

    /// <summary>Weights that run for a depth: those of the blocks, without the token embeddings, of which each token reads one row.</summary>
    public abstract long ParameterCount(int depth);

    /// <summary>Tokens, padding included, that go through the blocks at a time.</summary>
    public int BatchTokens => BatchPlanner.BudgetFor(ParameterCount(1), HiddenSize);

    /// <summary>Adds row <paramref name="row"/> of a table onto <paramref name="sum"/>.</summary>
    private protected static void AddRow(Weight table, long row, Span<float> scratch, Span<float> sum)
    {
        table.CopyRow(row, scratch);
        System.Numerics.Tensors.TensorPrimitives.Add(sum, scratch, sum);
    }
}

/// <summary>Blocks <paramref name="First"/> to <paramref name="End"/> − 1: they lead from depth First to depth End.</summary>
internal readonly record struct BlockRange(int First, int End);

/// <summary>Names of the values that a run feeds to a backbone's graph.</summary>
/// <param name="Embeddings">What enters the first block: token embeddings or an earlier block's hidden state, F32 [B,T,H].</param>
/// <param name="Lengths">I32 [B], how many of each text's T are tokens and not padding, which is no key.</param>
/// <param name="Positions">The longest T of any run, so that tables of positions need not reach further.</param>
internal sealed record AttentionInputs(string Embeddings, string Lengths, int Positions)
{
    /// <summary>Decoders that read a text in several runs, each behind what the ones before read; null where each run stands alone.</summary>
    public GrowingTexts? Growing { get; init; }

    /// <summary>Decoders: what every text begins with and is not read again; null where there is nothing.</summary>
    public PromptPrefix? Prefix { get; init; }

    /// <summary>Decoders: told each block's keys and values [B,T,kv·d] before their rotation.</summary>
    public Action<int, string, string>? KeysAndValues { get; init; }
}

/// <summary>Names of the values that say what earlier runs read.</summary>
/// <param name="LastIndex">I32 [B], the index of each text's last token among all of its tokens so far.</param>
/// <param name="TotalLength">I32 scalar, the most tokens of a text so far.</param>
/// <param name="Cache">Names a block's keys and values.</param>
internal sealed record GrowingTexts(string LastIndex, string TotalLength, Func<int, BlockCache> Cache);

/// <summary>Names of the keys and values of one block, F32 [B,kv,T,d] each: those of earlier runs, and the same with those of this run.</summary>
internal readonly record struct BlockCache(string PastKeys, string PastValues, string Keys, string Values);
