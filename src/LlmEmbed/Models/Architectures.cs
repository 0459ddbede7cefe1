using LlmEmbed.Checkpoints;

namespace LlmEmbed.Models;

/// <summary>Which file of this folder implements which <c>model_type</c> of Hugging Face. A new architecture is one file and one row here.</summary>
internal static class Architectures
{
    private static readonly (string ModelType, Func<Checkpoint, Backbone> Open)[] Table =
    [
        ("llama", checkpoint => new Llama(checkpoint)),
        ("mistral", checkpoint => new Llama(checkpoint)),
        ("qwen2", checkpoint => new Llama(checkpoint)),
        ("qwen3", checkpoint => new Llama(checkpoint)),
        ("bert", checkpoint => new Bert(checkpoint)),
        ("roberta", checkpoint => new Bert(checkpoint)),
        ("xlm-roberta", checkpoint => new Bert(checkpoint)),
        ("distilbert", checkpoint => new DistilBert(checkpoint)),
        ("eurobert", checkpoint => new EuroBert(checkpoint)),
        ("gemma2", checkpoint => new Gemma2(checkpoint)),
        ("gemma3", checkpoint => new Gemma3(checkpoint)),
        ("gemma3_text", checkpoint => new Gemma3(checkpoint)),
        ("granite", checkpoint => new Granite(checkpoint)),
        ("mpnet", checkpoint => new MpNet(checkpoint)),
        ("new", checkpoint => new Gte(checkpoint)),
        ("modernbert", checkpoint => new ModernBert(checkpoint)),
        ("nomic_bert", checkpoint => new NomicBert(checkpoint)),
        ("olmo2", checkpoint => new Olmo2(checkpoint)),
        ("olmo3", checkpoint => new Olmo2(checkpoint)),
        ("phi3", checkpoint => new Phi3(checkpoint)),
        ("smollm3", checkpoint => new SmolLm3(checkpoint)),
        ("stablelm", checkpoint => new StableLm(checkpoint)),
        ("electra", checkpoint => new Electra(checkpoint)),
        ("albert", checkpoint => new Albert(checkpoint)),
        ("gpt2", checkpoint => new Gpt2(checkpoint)),
        ("gpt_neox", checkpoint => new GptNeoX(checkpoint)),
        ("t5", checkpoint => new T5Encoder(checkpoint)),
        ("deberta-v2", checkpoint => new DebertaV2(checkpoint)),
    ];

    /// <summary>Chooses the architecture by the configuration's <c>model_type</c> and reads the configuration; weights are read later.</summary>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="acceptedKeys">Keys of the configuration that the user knows to change no hidden state.</param>
    /// <exception cref="LlmEmbedException">The architecture, or something that its configuration asks for, is not implemented.</exception>
    public static Backbone Open(Checkpoint checkpoint, IReadOnlyCollection<string> acceptedKeys)
    {
        ModelConfig config = checkpoint.Config;
        Func<Checkpoint, Backbone> open = Array.Find(Table, row => row.ModelType == config.ModelType).Open ?? throw NotImplemented(config);
        Backbone backbone = open(checkpoint);
        config.RefuseUnread(acceptedKeys);
        // Blocks are listed and counted before the weights of the last one are asked for.
        if (backbone.BlockCount > checkpoint.Weights.Count)
            throw new LlmEmbedException(
                $"{config.Source}: {backbone.BlockCount} blocks are asked for, but the checkpoint has only {checkpoint.Weights.Count} tensors.")
            { FilePath = config.Source };
        return backbone;
    }

    private static LlmEmbedException NotImplemented(ModelConfig config)
    {
        const int LeastCommon = 3;
        string implemented = string.Join(", ", Table.Select(row => row.ModelType));
        int Common(string modelType) => modelType.AsSpan().CommonPrefixLength(config.ModelType);
        int most = Table.Max(row => Common(row.ModelType));
        string nearest = most < LeastCommon
            ? ""
            : $" Nearest by name: {string.Join(", ", Table.Select(row => row.ModelType).Where(modelType => Common(modelType) == most))}.";
        return new($"{config.Source}: model_type '{config.ModelType}' is not implemented. Implemented: {implemented}.{nearest}")
        {
            FilePath = config.Source,
        };
    }
}
