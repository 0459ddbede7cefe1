using LlmEmbed.Files;

namespace LlmEmbed.Tokenization;

/// <summary>Reads SentencePiece's own format (a protobuf ModelProto), as in tokenizer.model, sentencepiece.bpe.model and spm.model.</summary>
internal static class SentencePieceFile
{
    private static readonly TokenizerClass[] Classes =
    [
        new("LlamaTokenizer", Bos: "<s>", Eos: "</s>"),
        new("GemmaTokenizer", Bos: "<bos>", Eos: "<eos>"),
        new("XLMRobertaTokenizer", Bos: "<s>", Eos: "</s>") { IsXlmRoberta = true },
        new("DebertaV2Tokenizer", Bos: "[CLS]", Eos: "[SEP]") { IsDeberta = true },
    ];

    private const char VisibleSpace = '\u2581';

    private static readonly (string Key, AddedToken Token)[] DebertaTokens =
    [
        ("bos_token", AddedToken.Of("[CLS]")), ("eos_token", AddedToken.Of("[SEP]")), ("unk_token", AddedToken.Of("[UNK]")),
        ("sep_token", AddedToken.Of("[SEP]")), ("pad_token", AddedToken.Of("[PAD]")), ("cls_token", AddedToken.Of("[CLS]")),
    ];

    public static TokenizerParts Read(string file)
    {
        TokenizerConfig config = TokenizerConfig.BesideVocabulary(file);
        SentencePieceModel model = Parse(file, FileProblem.ReadBytes(file));
        TokenizerClass kind = Classes.FirstOrDefault(kind => kind.Name == (config.TokenizerClass ?? ClassOfFileName(file)))
            ?? throw config.ClassNotImplemented(file, [.. Classes.Select(kind => kind.Name)]);
        if (kind.IsDeberta) return ReadDeberta(model, config);
        if (kind.IsXlmRoberta) model = InFairseqOrder(model);

        Vocabulary vocabulary = model.ToVocabulary();
        config.AddClassDefaults(
            vocabulary,
            [
                ("bos_token", AddedToken.Of(kind.Bos)), ("eos_token", AddedToken.Of(kind.Eos)),
                ("cls_token", AddedToken.Of("<s>")), ("sep_token", AddedToken.Of("</s>")),
            ]);
        if (kind.IsXlmRoberta) config.AddClassDefaults(vocabulary, [("mask_token", AddedToken.Of("<mask>") with { StripLeft = true })]);
        List<AddedToken> addedTokens = config.ResolveAddedTokens(vocabulary);
        return model.ToParts(vocabulary, addedTokens, prefixEveryPart: config.Legacy) with
        {
            Frame = kind.IsXlmRoberta ? config.ClassFrame(file, addedTokens) : config.SequenceFrame(file, addedTokens, addBosByDefault: true),
            PadId = config.PadId(vocabulary, addedTokens) ?? model.PadId,
            SourceFiles = [file, .. config.Files],
        };
    }

    /// <summary>
    /// The class of files without a configuration: LLaMA's own release has tokenizer.model alone, so that name stands for LLaMA's rules.
    /// </summary>
    private static string ClassOfFileName(string file) => Path.GetFileName(file) switch
    {
        "sentencepiece.bpe.model" => "XLMRobertaTokenizer",
        "spm.model" => "DebertaV2Tokenizer",
        _ => "LlamaTokenizer",
    };

    /// <summary>
    /// DeBERTa v3 is published without a tokenizer.json. The steps are those that transformers puts into the one that it makes of this file, which
    /// part from SentencePiece's own at white space other than U+0020.
    /// </summary>
    private static TokenizerParts ReadDeberta(SentencePieceModel model, TokenizerConfig config)
    {
        if (config.SplitsPunctuation)
            throw FileProblem.In(model.File, "'split_by_punct' in tokenizer_config.json beside it is true, which is not implemented.");
        Vocabulary vocabulary = model.ToVocabulary();
        config.AddClassDefaults(vocabulary, DebertaTokens);
        config.AddClassDefaults(vocabulary, [("mask_token", AddedToken.Of("[MASK]"))], addsMissing: true);
        List<AddedToken> addedTokens = config.ResolveAddedTokens(vocabulary);
        List<TextNormalizer> steps = [new StripNormalizer(left: true, right: true)];
        if (config.LowerCaseIfGiven == true) steps.Insert(0, new LowercaseNormalizer());
        if (model.CharacterMap is { } map) steps.Add(new PrecompiledNormalizer(map));
        steps.Add(new ReplaceRunsNormalizer(character => character == ' ', minimum: 2, " "));
        TextStage InWords(TextStage next) => new MetaspaceStage(
            VisibleSpace,
            MetaspacePrefix.Always,
            new DelimiterSplit(rune => rune.Value == VisibleSpace, DelimiterBehavior.MergedWithNext, next));
        return model.ToParts(vocabulary, addedTokens, InWords) with
        {
            PreTokenizer = "Metaspace",
            Normalizer = new SequenceNormalizer(steps),
            Frame = config.ClassFrame(model.File, addedTokens),
            PadId = config.PadId(vocabulary, addedTokens),
            SourceFiles = [model.File, .. config.Files],
        };
    }

    /// <summary>
    /// XLM-RoBERTa keeps fairseq's four special tokens in front, so that every piece has an id that is one higher than in the file. Its mask token
    /// comes last.
    /// </summary>
    private static SentencePieceModel InFairseqOrder(SentencePieceModel model)
    {
        string[] expected = ["<unk>", "<s>", "</s>"];
        if (!model.Pieces.Take(3).Select(piece => piece.Text).SequenceEqual(expected))
            throw FileProblem.In(model.File, "the first pieces are not <unk>, <s> and </s>, as XLM-RoBERTa's are.");
        SentencePiece Control(string text) => new(text, 0, SentencePieceType.Control);
        return model with
        {
            Pieces = [Control("<s>"), Control("<pad>"), Control("</s>"), model.Pieces[0], .. model.Pieces.Skip(3), Control("<mask>")],
            PadId = 1,
        };
    }

    private static SentencePieceModel Parse(string file, ReadOnlySpan<byte> bytes)
    {
        SentencePieceModel model = new(file);
        List<SentencePiece> pieces = [];
        ProtobufReader reader = new(file, "a SentencePiece model", bytes);
        while (reader.TryReadField(out int field))
        {
            switch (field)
            {
                case 1: pieces.Add(ParsePiece(reader.ReadMessage())); break;
                case 2: model = ParseTrainer(reader.ReadMessage(), model); break;
                case 3: model = ParseNormalizer(reader.ReadMessage(), model); break;
                default: reader.Skip(); break;
            }
        }
        return model with { Pieces = pieces };
    }

    private static SentencePiece ParsePiece(ProtobufReader reader)
    {
        SentencePiece piece = new("", 0, SentencePieceType.Normal);
        while (reader.TryReadField(out int field))
        {
            switch (field)
            {
                case 1: piece = piece with { Text = reader.ReadText() }; break;
                case 2: piece = piece with { Score = reader.ReadFloat() }; break;
                case 3: piece = piece with { Type = (SentencePieceType)reader.ReadInt32() }; break;
                default: reader.Skip(); break;
            }
        }
        return piece;
    }

    private static SentencePieceModel ParseTrainer(ProtobufReader reader, SentencePieceModel model)
    {
        while (reader.TryReadField(out int field))
        {
            switch (field)
            {
                case 3: model = model with { Algorithm = (SentencePieceAlgorithm)reader.ReadInt32() }; break;
                case 24 when reader.ReadBool(): throw FileProblem.In(model.File, "'treat_whitespace_as_suffix' is not implemented.");
                case 24: break;
                case 35: model = model with { ByteFallback = reader.ReadBool() }; break;
                case 43: model = model with { PadId = reader.ReadInt32() is >= 0 and int padId ? padId : null }; break;
                default: reader.Skip(); break;
            }
        }
        return model;
    }

    private static SentencePieceModel ParseNormalizer(ProtobufReader reader, SentencePieceModel model)
    {
        while (reader.TryReadField(out int field))
        {
            switch (field)
            {
                case 2: model = model with { CharacterMap = ReadCharacterMap(model.File, reader.ReadBytes()) }; break;
                case 3: model = model with { AddDummyPrefix = reader.ReadBool() }; break;
                case 4: model = model with { RemoveExtraSpaces = reader.ReadBool() }; break;
                case 5: model = model with { EscapeSpaces = reader.ReadBool() }; break;
                default: reader.Skip(); break;
            }
        }
        return model;
    }

    private static PrecompiledCharacterMap? ReadCharacterMap(string file, ReadOnlySpan<byte> map) =>
        map.IsEmpty ? null : new PrecompiledCharacterMap(file, map);

    /// <summary>What a class of transformers means for these files.</summary>
    /// <param name="Name">The class.</param>
    /// <param name="Bos">The beginning-of-sequence token, if no file names it.</param>
    /// <param name="Eos">The end-of-sequence token, if no file names it.</param>
    private sealed record TokenizerClass(string Name, string Bos, string Eos)
    {
        /// <summary>The ids are in fairseq's order, and texts stand between <c>cls_token</c> and <c>sep_token</c>.</summary>
        public bool IsXlmRoberta { get; init; }

        /// <summary>The steps are those of the tokenizers library, and texts stand between <c>cls_token</c> and <c>sep_token</c>.</summary>
        public bool IsDeberta { get; init; }
    }
}
