using System.Globalization;
using LlmEmbed.Checkpoints;
using LlmEmbed.Files;

namespace LlmEmbed.Tokenization;

/// <summary>Builds the tokenizer that a GGUF file carries in its metadata under <c>tokenizer.ggml.</c></summary>
internal sealed class GgufTokenizer
{
    /// <summary>The kinds of tokenizer by the name that the file gives in <c>model</c>. A new kind is one row.</summary>
    private static readonly (string Name, Func<GgufTokenizer, TokenizerParts> Read)[] Kinds =
    [
        ("gpt2", tokenizer => tokenizer.ReadByteLevel()),
        ("llama", tokenizer => tokenizer.ReadSentencePiece()),
    ];

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

    public static TokenizerParts Read(string file)
    {
        using GgufFile gguf = GgufFile.Open(file);
        return Read(gguf.Metadata, file);
    }

    /// <param name="metadata">The file's metadata.</param>
    /// <param name="file">The file, for messages.</param>
    /// <exception cref="LlmEmbedException">The file holds no tokenizer, the tokenizer is damaged, or its kind is not implemented.</exception>
    public static TokenizerParts Read(IReadOnlyDictionary<string, object> metadata, string file)
    {
        GgufTokenizer tokenizer = new(metadata, file);
        string name = tokenizer.Required<string>("model", "a string");
        foreach ((string known, Func<GgufTokenizer, TokenizerParts> read) in Kinds)
            if (known == name) return read(tokenizer);
        string implemented = FileProblem.List([.. Kinds.Select(kind => kind.Name)]);
        throw tokenizer.Error($"'model' is '{name}', which is not implemented. Implemented are {implemented}.");
    }

    private TokenizerParts ReadByteLevel()
    {
        Vocabulary vocabulary = new(_file, [.. _tokens.Select((token, id) => KeyValuePair.Create(token, id))]);
        BpeMerges merges = new(_file, vocabulary);
        foreach (string merge in Required<string[]>("merges", "an array of strings"))
            if (!merges.TryAdd(merge)) throw Error($"'merges' has '{merge}', expected two tokens with a space between.");

        ByteLevelFamily family = ReadFamily();
        BpeModel model = new(vocabulary, merges, new BpeOptions { IgnoreMerges = family.IgnoresMerges });
        TextStage words = family.Split(new ByteLevelStage(model));
        return new TokenizerParts
        {
            Kind = "byte-level BPE",
            PreTokenizer = family.Name,
            Vocabulary = vocabulary,
            AddedTokens = AddedTokens(SentencePieceType.Control, SentencePieceType.UserDefined),
            Normalizer = family.Normalizer,
            Words = Flag("add_space_prefix", fallback: false) ? new PrefixSpaceStage(words) : words,
            Frame = Frame(family.AddsBos),
            PadId = TokenId("padding_token_id"),
            SourceFiles = [_file],
        };
    }

    private ByteLevelFamily ReadFamily()
    {
        string name = Required<string>("pre", "a string");
        string implemented = FileProblem.List([.. ByteLevelFamily.All.Select(family => family.Name)]);
        return ByteLevelFamily.All.FirstOrDefault(family => family.Name == name)
            ?? throw Error($"'pre' is '{name}', a pre-tokenizer that is not implemented. Implemented are {implemented}.");
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
    [
        .. _tokens.Select((token, id) => new AddedToken(id, token) { Special = _types[id] == SentencePieceType.Control })
            .Where(token => types.Contains(_types[token.Id]) && token.Content.Length > 0),
    ];

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
        where T : class =>
        Optional<T>(key, expected) ?? throw Error($"'{key}' is missing, expected {expected}. The file carries no complete tokenizer.");

    private T? Optional<T>(string key, string expected)
        where T : class =>
        Find(key) is not object value ? null : value as T ?? throw Wrong(key, value, expected);

    private object? Find(string key) => _metadata.GetValueOrDefault("tokenizer.ggml." + key);

    private LlmEmbedException Wrong(string key, object value, string expected) => Error($"'{key}' is a {value.GetType().Name}, expected {expected}.");

    private LlmEmbedException Error(string message) => FileProblem.In(_file, "tokenizer.ggml: " + message);
}
