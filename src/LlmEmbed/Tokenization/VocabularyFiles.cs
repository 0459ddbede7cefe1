using LlmEmbed.Files;

namespace LlmEmbed.Tokenization;

/// <summary>
/// BERT's vocab.txt: one token on each line, whose id is the number of the line, counted from 0. An empty line has a number and no token that any
/// text could have.
/// </summary>
internal static class BertVocabularyFile
{
    private static readonly string[] Classes = ["BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer", "MPNetTokenizer"];

    private static readonly (string Key, AddedToken Token)[] SpecialTokens =
    [
        ("unk_token", AddedToken.Of("[UNK]")),
        ("cls_token", AddedToken.Of("[CLS]")),
        ("sep_token", AddedToken.Of("[SEP]")),
        ("pad_token", AddedToken.Of("[PAD]")),
        ("mask_token", AddedToken.Of("[MASK]")),
    ];

    public static TokenizerParts Read(string file)
    {
        TokenizerConfig config = TokenizerConfig.BesideVocabulary(file);
        if (config.TokenizerClass is string name && !Classes.Contains(name, StringComparer.Ordinal))
            throw config.ClassNotImplemented(file, Classes);
        Vocabulary vocabulary = Vocabulary.WithLaterTokens(
            file, TokenizerFiles.ReadLines(file).Select((token, line) => KeyValuePair.Create(token, line)).Where(pair => pair.Key.Length > 0));
        config.AddClassDefaults(vocabulary, SpecialTokens);
        List<AddedToken> addedTokens = config.ResolveAddedTokens(vocabulary);
        int unknownId = config.RequiredId(file, "unk_token", addedTokens);
        return new TokenizerParts
        {
            Kind = "WordPiece",
            PreTokenizer = "BertPreTokenizer",
            Vocabulary = vocabulary,
            WordMarks = WordMarks.Continuations,
            AddedTokens = addedTokens,
            Normalizer = new BertNormalizer(
                cleanText: true, config.SplitChineseCharacters, config.StripAccents ?? config.LowerCase, config.LowerCase),
            Words = new BertSplit(new WordPieceModel(vocabulary, unknownId, WordPieceModel.UsualPrefix, maxWordCharacters: 100)),
            Frame = config.ClassFrame(file, addedTokens),
            PadId = config.PadId(vocabulary, addedTokens),
            SourceFiles = [file, .. config.Files],
        };
    }
}

/// <summary>GPT-2's vocab.json and merges.txt, which RoBERTa and Qwen2 have too.</summary>
internal static class Gpt2Files
{
    private static readonly TokenizerClass[] Classes =
    [
        new("GPT2Tokenizer", ByteLevelFamily.Gpt2)
        {
            SpecialTokens = [("bos_token", AddedToken.Of("<|endoftext|>")), ("eos_token", AddedToken.Of("<|endoftext|>"))],
        },
        new("RobertaTokenizer", ByteLevelFamily.Gpt2)
        {
            SpecialTokens =
            [
                ("cls_token", AddedToken.Of("<s>")),
                ("pad_token", AddedToken.Of("<pad>")),
                ("sep_token", AddedToken.Of("</s>")),
                ("unk_token", AddedToken.Of("<unk>")),
                ("mask_token", AddedToken.Of("<mask>") with { StripLeft = true }),
            ],
            HasClassFrame = true,
        },
        new("Qwen2Tokenizer", ByteLevelFamily.Qwen2)
        {
            SpecialTokens = [("eos_token", AddedToken.Of("<|endoftext|>")), ("pad_token", AddedToken.Of("<|endoftext|>"))],
            AddsMissingTokens = true,
        },
    ];

    public static TokenizerParts Read(string file)
    {
        string mergesFile = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(file))!, "merges.txt");
        if (!File.Exists(mergesFile)) throw FileProblem.In(mergesFile, "no such file, but vocab.json needs it.");
        TokenizerConfig config = TokenizerConfig.BesideVocabulary(file);
        Vocabulary vocabulary = Vocabulary.WithLaterTokens(file, JsonSection.Open(file).Ids());
        BpeModel model = new(vocabulary, BpeMerges.ReadFile(mergesFile, vocabulary), new BpeOptions());

        TokenizerClass kind = Classes.FirstOrDefault(kind => kind.Name == config.TokenizerClass)
            ?? throw config.ClassNotImplemented(file, [.. Classes.Select(kind => kind.Name)]);
        config.AddClassDefaults(vocabulary, kind.SpecialTokens, kind.AddsMissingTokens);
        List<AddedToken> addedTokens = config.ResolveAddedTokens(vocabulary);
        TextStage words = kind.Family.Split(new ByteLevelStage(model));
        return new TokenizerParts
        {
            Kind = "byte-level BPE",
            PreTokenizer = kind.Family.Name,
            Vocabulary = vocabulary,
            WordMarks = WordMarks.Bytes,
            AddedTokens = addedTokens,
            Normalizer = kind.Family.Normalizer,
            Words = config.AddPrefixSpace == true ? new PrefixSpaceStage(words) : words,
            Frame = kind.HasClassFrame ? config.ClassFrame(file, addedTokens) : config.SequenceFrame(file, addedTokens, addBosByDefault: false),
            PadId = config.PadId(vocabulary, addedTokens),
            SourceFiles = [file, mergesFile, .. config.Files],
        };
    }

    /// <summary>What a class of transformers means for these files.</summary>
    /// <param name="Name">The class.</param>
    /// <param name="Family">How it splits text.</param>
    private sealed record TokenizerClass(string Name, ByteLevelFamily Family)
    {
        /// <summary>The special tokens that it takes if no file names them.</summary>
        public required (string Key, AddedToken Token)[] SpecialTokens { get; init; }

        /// <summary>Special tokens that the vocabulary lacks come behind its last one, as those of this class do in the published models.</summary>
        public bool AddsMissingTokens { get; init; }

        /// <summary>Texts stand between <c>cls_token</c> and <c>sep_token</c>, as BERT's do.</summary>
        public bool HasClassFrame { get; init; }
    }
}
