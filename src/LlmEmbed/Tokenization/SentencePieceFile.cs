using LlmEmbed.Files;

namespace LlmEmbed.Tokenization;

/// <summary>Reads SentencePiece's own format (a protobuf ModelProto), as in tokenizer.model and sentencepiece.bpe.model.</summary>
internal static class SentencePieceFile
{
    private const string XlmRobertaName = "sentencepiece.bpe.model";

    public static TokenizerParts Read(string file)
    {
        TokenizerConfig config = TokenizerConfig.Beside(file);
        SentencePieceModel model = Parse(file, TokenizerFiles.ReadBytes(file));
        // LLaMA's own release has tokenizer.model alone, so that name stands for LLaMA's rules.
        string name = config.TokenizerClass ?? (Path.GetFileName(file) == XlmRobertaName ? "XLMRobertaTokenizer" : "LlamaTokenizer");
        bool isXlmRoberta = name == "XLMRobertaTokenizer";
        if (!isXlmRoberta && name is not ("LlamaTokenizer" or "GemmaTokenizer"))
        {
            throw TokenizerFiles.Error(file, $"the tokenizer class '{name}' is not implemented for SentencePiece models. " +
                "Implemented are LlamaTokenizer, GemmaTokenizer and XLMRobertaTokenizer.");
        }
        if (isXlmRoberta) model = InFairseqOrder(model);

        Vocabulary vocabulary = model.ToVocabulary();
        bool isGemma = name == "GemmaTokenizer";
        config.AddClassDefaults(
            vocabulary, ("bos_token", isGemma ? "<bos>" : "<s>"), ("eos_token", isGemma ? "<eos>" : "</s>"), ("cls_token", "<s>"), ("sep_token", "</s>"));
        List<AddedToken> addedTokens = config.ResolveAddedTokens(vocabulary);
        int[] Id(string key) => [config.RequiredId(file, key, addedTokens)];
        return model.ToParts(vocabulary, addedTokens, prefixEveryPart: config.Legacy) with
        {
            Frame = isXlmRoberta ? new SpecialTokenFrame(Id("cls_token"), Id("sep_token"))
                : new SpecialTokenFrame(config.AddBosToken ?? true ? Id("bos_token") : [], config.AddEosToken ?? false ? Id("eos_token") : []),
            PadId = config.PadId(vocabulary, addedTokens) ?? model.PadId,
            SourceFiles = [file, .. config.Files],
        };
    }

    /// <summary>XLM-RoBERTa keeps fairseq's four special tokens in front, so every piece lies one id higher than in the file; its mask token comes last.</summary>
    private static SentencePieceModel InFairseqOrder(SentencePieceModel model)
    {
        string[] expected = ["<unk>", "<s>", "</s>"];
        if (!model.Pieces.Take(3).Select(piece => piece.Text).SequenceEqual(expected))
            throw TokenizerFiles.Error(model.File, "the first pieces are not <unk>, <s> and </s>, as XLM-RoBERTa's are.");
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
        ProtobufReader reader = new(file, bytes);
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
                case 24 when reader.ReadBool(): throw TokenizerFiles.Error(model.File, "'treat_whitespace_as_suffix' is not implemented.");
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
                case 2 when reader.ReadBytes() is { IsEmpty: false } map: model = model with { CharacterMap = new PrecompiledCharacterMap(model.File, map) }; break;
                case 2: break;
                case 3: model = model with { AddDummyPrefix = reader.ReadBool() }; break;
                case 4: model = model with { RemoveExtraSpaces = reader.ReadBool() }; break;
                case 5: model = model with { EscapeSpaces = reader.ReadBool() }; break;
                default: reader.Skip(); break;
            }
        }
        return model;
    }
}
