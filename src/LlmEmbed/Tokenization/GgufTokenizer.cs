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
        ("bert", tokenizer => tokenizer.ReadWordPiece()),
        ("gpt2", tokenizer => tokenizer.ReadByteLevel()),
        ("llama", tokenizer => tokenizer.ReadSentencePiece()),
        ("t5", tokenizer => tokenizer.ReadUnigram()),
    ];

    private const char VisibleSpace = '\u2581';

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

    /// <summary>
    /// BERT's. A word begins with ▁ and its continuations have no mark, the reverse of a vocab.txt. No key says whether text is lowered: it is not if
    /// a capital letter is a token, for a vocabulary of lowered text has no use for one. Accents go where capitals do, as in transformers.
    /// </summary>
    private TokenizerParts ReadWordPiece()
    {
        const string Continuation = WordPieceModel.UsualPrefix;
        string[] tokens =
        [
            .. _tokens.Select((token, id) =>
                _types[id] == SentencePieceType.Control ? token : token.StartsWith(VisibleSpace) ? token[1..] : Continuation + token),
        ];
        Vocabulary vocabulary = new(_file, [.. tokens.Select((token, id) => KeyValuePair.Create(token, id))]);
        int unknownId = UnknownId();
        bool isCased = Enumerable.Range('A', 'Z' - 'A' + 1).Any(letter => vocabulary.TryGetId([(char)letter], out _));
        return new TokenizerParts
        {
            Kind = isCased ? "cased WordPiece" : "uncased WordPiece",
            PreTokenizer = "BertPreTokenizer",
            Vocabulary = vocabulary,
            WordMarks = WordMarks.Continuations,
            AddedTokens = AddedTokens(tokens),
            Normalizer = new BertNormalizer(cleanText: true, handleChineseCharacters: true, stripAccents: !isCased, lowercase: !isCased),
            Words = new BertSplit(new WordPieceModel(vocabulary, unknownId, Continuation, maxWordCharacters: 100)),
            Frame = Frame(addBosByDefault: true, addEosByDefault: true),
            PadId = TokenId("padding_token_id"),
            SourceFiles = [_file],
        };
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
            WordMarks = WordMarks.Bytes,
            AddedTokens = AddedTokens(_tokens),
            Normalizer = family.Normalizer,
            Words = Flag("add_space_prefix", fallback: false) ? new PrefixSpaceStage(words) : words,
            Frame = Frame(family.AddsBos, family.AddsEos),
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
        float[] scores = Scores();
        if (Find("unknown_token_id") is not null) UnknownId();
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
            Frame = Frame(addBosByDefault: true, addEosByDefault: false),
            PadId = TokenId("padding_token_id"),
        };
    }

    /// <summary>
    /// The Unigram of T5 and XLM-RoBERTa, in the steps of their tokenizer.json: the map of characters is applied, text is split at white space, and
    /// each word begins with ▁. Pieces of the type unused stand in for tokens that the file lacks.
    /// </summary>
    private TokenizerParts ReadUnigram()
    {
        float[] scores = Scores();
        if (!Flag("remove_extra_whitespaces", fallback: true)) throw Error("'remove_extra_whitespaces' is false, which is not implemented here.");
        byte[]? map = Optional<byte[]>("precompiled_charsmap", "an array of bytes");
        IEnumerable<KeyValuePair<string, int>> used = _tokens.Select((token, id) => KeyValuePair.Create(token, id))
            .Where(pair => _types[pair.Value] != SentencePieceType.Unused);
        Vocabulary vocabulary = new(_file, [.. used]);
        (string Token, double Score)[] pieces =
            [.. _tokens.Select((token, id) => (token, (double)scores[id])).Where((_, id) => _types[id] == SentencePieceType.Normal)];
        if (pieces.Length == 0) throw Error("no token stands for text. The file is damaged or incomplete.");
        int unknownId = UnknownId();
        MetaspacePrefix prefix = Flag("add_space_prefix", fallback: true) ? MetaspacePrefix.Always : MetaspacePrefix.Never;
        TextStage words = new DelimiterSplit(
            rune => rune.Value == VisibleSpace,
            DelimiterBehavior.MergedWithNext,
            new UnigramModel(vocabulary, pieces, unknownId, byteFallback: _types.Contains(SentencePieceType.Byte)));
        return new TokenizerParts
        {
            Kind = "SentencePiece Unigram",
            Vocabulary = vocabulary,
            WordMarks = WordMarks.Spaces,
            AddedTokens = AddedTokens(_tokens),
            Normalizer = map is null ? null : new PrecompiledNormalizer(new PrecompiledCharacterMap(_file, map)),
            Words = new DelimiterSplit(
                CharacterClass.IsWhiteSpace, DelimiterBehavior.Removed, new MetaspaceStage(VisibleSpace, prefix, words)),
            Frame = Frame(addBosByDefault: false, addEosByDefault: true),
            PadId = TokenId("padding_token_id"),
            SourceFiles = [_file],
        };
    }

    private float[] Scores()
    {
        float[] scores = Required<float[]>("scores", "an array of floats");
        if (scores.Length != _tokens.Length) throw Error($"'scores' has {scores.Length} entries for {_tokens.Length} tokens.");
        int odd = Array.FindIndex(scores, score => !float.IsFinite(score));
        return odd < 0 ? scores : throw Error($"the token '{_tokens[odd]}' has the score {scores[odd]}, expected a finite number.");
    }

    /// <summary>The tokens that are cut out of the text.</summary>
    private List<AddedToken> AddedTokens(IReadOnlyList<string> tokens) =>
    [
        .. tokens.Select((token, id) => new AddedToken(id, token) { Special = _types[id] == SentencePieceType.Control })
            .Where(token => token.Content.Length > 0 &&
                _types[token.Id] is SentencePieceType.Control or SentencePieceType.UserDefined or SentencePieceType.Unknown),
    ];

    /// <summary>Older files name BERT's tokens by their own keys alone.</summary>
    private SpecialTokenFrame Frame(bool addBosByDefault, bool addEosByDefault) => new(
        Flag("add_bos_token", addBosByDefault) ? [RequiredTokenId("bos_token_id", "cls_token_id")] : [],
        Flag("add_eos_token", addEosByDefault) ? [RequiredTokenId("eos_token_id", "seperator_token_id")] : []); // the key is spelt so

    private int RequiredTokenId(string key, string otherKey) => TokenId(key) ?? TokenId(otherKey)
        ?? throw Error($"'{key}' is missing, but the file asks for this token in every text.");

    /// <summary>The token for text that no other covers, which some converters call a control token. From here on it is none.</summary>
    private int UnknownId()
    {
        int id = TokenId("unknown_token_id") ?? throw Error("'unknown_token_id' is missing, expected the token for text that no other covers.");
        _types[id] = SentencePieceType.Unknown;
        return id;
    }

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
