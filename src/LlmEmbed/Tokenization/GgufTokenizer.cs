using System.Globalization;
using System.Text;

namespace LlmEmbed.Tokenization;

/// <summary>Builds the tokenizer that a GGUF file carries in its metadata under <c>tokenizer.ggml.</c></summary>
internal sealed class GgufTokenizer
{
    private readonly string _file;
    private readonly IReadOnlyDictionary<string, object> _metadata;
    private readonly string[] _tokens;
    private readonly SentencePieceType[] _types;

    private GgufTokenizer(IReadOnlyDictionary<string, object> metadata, string file)
    {
        (_file, _metadata) = (file, metadata);
        _tokens = Required<string[]>("tokens", "an array of strings");
        int[]? types = Optional<int[]>("token_type", "an array of whole numbers");
        if (types is not null && types.Length != _tokens.Length) throw Error($"'token_type' has {types.Length} entries for {_tokens.Length} tokens.");
        _types = types is null ? [.. _tokens.Select(_ => SentencePieceType.Normal)] : [.. types.Select(type => (SentencePieceType)type)];
    }

    /// <param name="metadata">The file's metadata.</param>
    /// <param name="file">The file, for messages.</param>
    /// <exception cref="LlmEmbedException">There is no tokenizer in it, it is damaged, or its kind is not implemented.</exception>
    public static TokenizerParts Read(IReadOnlyDictionary<string, object> metadata, string file)
    {
        GgufTokenizer tokenizer = new(metadata, file);
        return tokenizer.Required<string>("model", "a string") switch
        {
            "gpt2" => tokenizer.ReadByteLevel(),
            "llama" => tokenizer.ReadSentencePiece(),
            string other => throw tokenizer.Error($"'model' is '{other}', which is not implemented. Implemented are gpt2 and llama."),
        };
    }

    private TokenizerParts ReadByteLevel()
    {
        Vocabulary vocabulary = new(_file, [.. _tokens.Select((token, id) => KeyValuePair.Create(token, id))]);
        BpeMerges merges = new(_file, vocabulary);
        foreach (string merge in Required<string[]>("merges", "an array of strings"))
            if (!merges.TryAdd(merge)) throw Error($"'merges' has '{merge}', expected two tokens with a space between.");

        string name = Required<string>("pre", "a string");
        BpeModel model = new(vocabulary, merges, new BpeOptions { IgnoreMerges = name == "llama-bpe" });
        ByteLevelStage bytes = new(model);
        TextStage words = name switch
        {
            "smollm" => new DelimiterSplit(CharacterClass.IsNumber, DelimiterBehavior.Isolated, new Gpt2Split(bytes)),
            "gpt-2" => new Gpt2Split(bytes),
            "llama-bpe" => new Llama3Split(maxDigits: 3, bytes),
            "qwen2" => new Llama3Split(maxDigits: 1, bytes),
            // llama.cpp's "default" is no published tokenizer's pattern but a stand-in for a name that was never set.
            _ => throw Error($"'pre' is '{name}', a pre-tokenizer that is not implemented. Implemented are smollm, gpt-2, llama-bpe and qwen2."),
        };
        if (Flag("add_space_prefix", fallback: false)) words = new PrefixSpaceStage(words);
        return new TokenizerParts
        {
            Kind = "byte-level BPE",
            PreTokenizer = name,
            Vocabulary = vocabulary,
            AddedTokens = AddedTokens(SentencePieceType.Control, SentencePieceType.UserDefined),
            // The format has no word for it, but Qwen2's tokenizer composes before it splits.
            Normalizer = name == "qwen2" ? new UnicodeFormNormalizer(NormalizationForm.FormC) : null,
            Words = words,
            Frame = Frame(addBosByDefault: name == "llama-bpe"),
            PadId = TokenId("padding_token_id"),
            SourceFiles = [_file],
        };
    }

    private TokenizerParts ReadSentencePiece()
    {
        float[] scores = Required<float[]>("scores", "an array of floats");
        if (scores.Length != _tokens.Length) throw Error($"'scores' has {scores.Length} entries for {_tokens.Length} tokens.");
        SentencePieceModel model = new(_file)
        {
            Pieces = [.. _tokens.Select((token, id) => new SentencePiece(token, scores[id], _types[id]))],
            Algorithm = SentencePieceAlgorithm.Bpe,
            ByteFallback = true,
            AddDummyPrefix = Flag("add_space_prefix", fallback: true),
            RemoveExtraSpaces = Flag("remove_extra_whitespaces", fallback: false),
        };
        return model.ToParts(model.ToVocabulary(), named: [], prefixEveryPart: true) with
        {
            Frame = Frame(addBosByDefault: true),
            PadId = TokenId("padding_token_id"),
        };
    }

    private List<AddedToken> AddedTokens(params SentencePieceType[] types) =>
        [.. _tokens.Select((token, id) => new AddedToken(id, token)).Where(token => types.Contains(_types[token.Id]) && token.Content.Length > 0)];

    private SpecialTokenFrame Frame(bool addBosByDefault) => new(
        Flag("add_bos_token", addBosByDefault) ? [RequiredTokenId("bos_token_id")] : [],
        Flag("add_eos_token", fallback: false) ? [RequiredTokenId("eos_token_id")] : []);

    private int RequiredTokenId(string key) => TokenId(key) ?? throw Error($"'{key}' is missing, but the file asks for this token in every text.");

    private int? TokenId(string key)
    {
        if (Find(key) is not object value) return null;
        if (value is not (byte or sbyte or ushort or short or uint or int or ulong or long)) throw Wrong(key, value, "a whole number");
        decimal id = Convert.ToDecimal(value, CultureInfo.InvariantCulture);
        return id >= 0 && id < _tokens.Length ? (int)id : throw Error($"'{key}' is {id}, expected the id of one of the {_tokens.Length} tokens.");
    }

    private bool Flag(string key, bool fallback) => Find(key) switch
    {
        null => fallback,
        bool value => value,
        object other => throw Wrong(key, other, "true or false"),
    };

    private T Required<T>(string key, string expected)
        where T : class => Optional<T>(key, expected) ?? throw Error($"'{key}' is missing, expected {expected}. The file carries no complete tokenizer.");

    private T? Optional<T>(string key, string expected)
        where T : class => Find(key) is not object value ? null : value as T ?? throw Wrong(key, value, expected);

    private object? Find(string key) => _metadata.GetValueOrDefault("tokenizer.ggml." + key);

    private LlmEmbedException Wrong(string key, object value, string expected) => Error($"'{key}' is a {value.GetType().Name}, expected {expected}.");

    private LlmEmbedException Error(string message) => TokenizerFiles.Error(_file, "tokenizer.ggml: " + message);
}
