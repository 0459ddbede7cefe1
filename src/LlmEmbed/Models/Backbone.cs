using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// A frozen language model: reads its configuration from a checkpoint and adds its forward pass to a network, block by block, up to a wanted depth.
/// Each architecture is one file (<see cref="Architectures"/>). The table of token embeddings stays in the checkpoint and is read row by row
/// (<see cref="Embed"/>), so that it costs no memory.
/// </summary>
internal abstract class Backbone
{
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="wordTable">The name of the table of token embeddings, without what may stand before all names.</param>
    protected Backbone(Checkpoint checkpoint, string wordTable) => (Checkpoint, Prefix) = (checkpoint, checkpoint.PrefixOf(wordTable));

    /// <summary>L, the number of blocks.</summary>
    public abstract int BlockCount { get; }

    /// <summary>H.</summary>
    public abstract int HiddenSize { get; }

    /// <summary>E, the width of what <see cref="Embed"/> writes: H unless the graph widens it.</summary>
    public virtual int EmbeddingSize => HiddenSize;

    public abstract int VocabularySize { get; }

    /// <summary>The longest input, in tokens, that the model has positions for.</summary>
    public abstract int MaxTokens { get; }

    /// <summary>Whether a token sees only itself and the tokens before it, so that its state does not depend on what follows.</summary>
    public abstract bool IsCausal { get; }

    /// <summary>Whether the checkpoint carries BERT's pooler.</summary>
    public virtual bool HasPooler => false;

    /// <summary>Whether a few channels are known to be so large that products in 8 bits are not expected to keep the others.</summary>
    public virtual bool HasHugeChannels => false;

    /// <summary>The language-model head, hidden state [H] → logits [V]; null if the backbone cannot generate text.</summary>
    public virtual LinearLayer? LanguageHead => null;

    /// <summary>The heads whose keys and values can be kept from run to run, of a backbone that can generate text.</summary>
    public virtual KeptHeads KeptHeads => throw new NotSupportedException("This backbone keeps no keys and values.");

    /// <summary>The id that stands for padding; 0 if the model has none of its own, as in the released LLMEmbed recipe.</summary>
    public abstract int PadId { get; }

    public Checkpoint Checkpoint { get; }

    /// <summary>
    /// What stands before the name of every weight of the model itself, e.g. "model." or "bert."; empty if nothing does. It depends on the class that
    /// a model was saved from, so each architecture writes names without it.
    /// </summary>
    protected string Prefix { get; }

    /// <inheritdoc cref="Architectures.Open"/>
    public static Backbone Create(Checkpoint checkpoint, IReadOnlyCollection<string>? acceptedKeys = null) =>
        Architectures.Open(checkpoint, acceptedKeys ?? []);

    /// <summary>Writes what enters the graph for each token: [T,E], row after row.</summary>
    public abstract void Embed(ReadOnlySpan<int> ids, Span<float> destination);

    /// <summary>The same for tokens that stand behind others, which matters where the table of positions is read here.</summary>
    /// <param name="before">How many tokens stand before them.</param>
    /// <param name="ids">The tokens.</param>
    /// <param name="destination">[T,E].</param>
    public virtual void EmbedBehind(int before, ReadOnlySpan<int> ids, Span<float> destination) => Embed(ids, destination);

    /// <summary>Adds the forward pass of some blocks to a network.</summary>
    /// <param name="layers">The network.</param>
    /// <param name="inputs">The values that each run feeds.</param>
    /// <param name="blocks">The blocks. If the first block of all is among them, token embeddings [B,T,E] enter; else the hidden state before the
    /// first one here.</param>
    /// <param name="keep">Called with each depth that is reached, depth 0 included if it is among them, and the name of its hidden state
    /// [B,T,H].</param>
    public abstract void Forward(Layers layers, AttentionInputs inputs, BlockRange blocks, Action<int, string> keep);

    /// <summary>Adds BERT's pooler on top of the state of depth L.</summary>
    /// <param name="layers">The network.</param>
    /// <param name="firstToken">The first token's state [B,1,H].</param>
    /// <returns>The name of the pooler output [B,1,H].</returns>
    public virtual string Pool(Layers layers, string firstToken) => throw new NotSupportedException("This backbone has no pooler.");

    /// <summary>Weights that run for a depth: those of the blocks, without the token embeddings, of which each token reads one row.</summary>
    public abstract long ParameterCount(int depth);

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
/// <param name="Embeddings">What enters the graph: token embeddings F32 [B,T,E] or an earlier block's hidden state [B,T,H].</param>
/// <param name="Lengths">I32 [B], how many of each text's T are tokens and not padding, which is no key.</param>
/// <param name="Positions">The longest T of any run, so that tables of positions need not reach further.</param>
internal sealed record AttentionInputs(string Embeddings, string Lengths, int Positions)
{
    /// <summary>
    /// Given if a text is read in several runs, each behind what the ones before read; null if each run stands alone. Causal backbones only.
    /// </summary>
    public GrowingTexts? Growing { get; init; }

    /// <summary>What every text begins with and is not read again; null if there is nothing. Causal backbones only.</summary>
    public PromptPrefix? Prefix { get; init; }

    /// <summary>
    /// Told each block's keys and values [B,T,kv·d] before their rotation; null if the caller does not want them. Causal backbones only.
    /// </summary>
    public Action<int, string, string>? KeysAndValues { get; init; }
}

/// <summary>Names of the values that say what earlier runs read.</summary>
/// <param name="LastIndex">I32 [B], the index of each text's last token among all of its tokens so far.</param>
/// <param name="TotalLength">I32 scalar, the most tokens of a text so far.</param>
/// <param name="Cache">Names a block's keys and values.</param>
internal sealed record GrowingTexts(string LastIndex, string TotalLength, Func<int, BlockCache> Cache);

/// <summary>Names of the keys and values of one block, F32 [B,kv,T,d] each: those of earlier runs, and the same with those of this run.</summary>
internal readonly record struct BlockCache(string PastKeys, string PastValues, string Keys, string Values);
