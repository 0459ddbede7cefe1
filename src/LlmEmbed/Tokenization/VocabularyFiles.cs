using LlmEmbed.Files;

namespace LlmEmbed.Tokenization;

/// <summary>BERT's vocab.txt: one token on each line, whose id is the number of the line, counted from 0.</summary>
internal static class BertVocabularyFile
{
    private static readonly string[] Classes = ["BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer", "MPNetTokenizer"];

    public static TokenizerParts Read(string file)
    {
        TokenizerConfig config = TokenizerConfig.Beside(file);
        if (config.TokenizerClass is string name && !Classes.Contains(name, StringComparer.Ordinal))
        {
            throw FileProblem.In(
                file, $"the tokenizer class '{name}' is not implemented for vocab.txt. Implemented are {FileProblem.List(Classes)}.");
        }
        Vocabulary vocabulary = new(file, [.. TokenizerFiles.ReadLines(file).Select((token, line) => KeyValuePair.Create(token, line))]);
        config.AddClassDefaults(vocabulary, ("unk_token", "[UNK]"), ("cls_token", "[CLS]"), ("sep_token", "[SEP]"), ("pad_token", "[PAD]"));
        List<AddedToken> addedTokens = config.ResolveAddedTokens(vocabulary);
        int unknownId = config.RequiredId(file, "unk_token", addedTokens);
        return new TokenizerParts
        {
            Kind = "WordPiece",
            PreTokenizer = "BertPreTokenizer",
            Vocabulary = vocabulary,
            AddedTokens = addedTokens,
            Normalizer = new BertNormalizer(
                cleanText: true, config.SplitChineseCharacters, config.StripAccents ?? config.LowerCase, config.LowerCase),
            Words = new BertSplit(new WordPieceModel(vocabulary, unknownId, "##", maxWordCharacters: 100)),
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
        new("GPT2Tokenizer", ByteLevelFamily.Gpt2, ("bos_token", "<|endoftext|>"), ("eos_token", "<|endoftext|>")),
        new("RobertaTokenizer", ByteLevelFamily.Gpt2, ("cls_token", "<s>"), ("pad_token", "<pad>"), ("sep_token", "</s>"), ("unk_token", "<unk>"))
        {
            HasClassFrame = true,
        },
        new("Qwen2Tokenizer", ByteLevelFamily.Qwen2),
    ];

    public static TokenizerParts Read(string file)
    {
        string mergesFile = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(file))!, "merges.txt");
        if (!File.Exists(mergesFile)) throw FileProblem.In(mergesFile, "no such file, but vocab.json needs it.");
        TokenizerConfig config = TokenizerConfig.Beside(file);
        Vocabulary vocabulary = new(file, JsonSection.Open(file).Ids());
        BpeModel model = new(vocabulary, BpeMerges.ReadFile(mergesFile, vocabulary), new BpeOptions());

        TokenizerClass kind = FindClass(file, config.TokenizerClass ?? "(none)");
        config.AddClassDefaults(vocabulary, kind.Defaults);
        List<AddedToken> addedTokens = config.ResolveAddedTokens(vocabulary);
        TextStage words = kind.Family.Split(new ByteLevelStage(model));
        return new TokenizerParts
        {
            Kind = "byte-level BPE",
            PreTokenizer = kind.Family.Name,
            Vocabulary = vocabulary,
            AddedTokens = addedTokens,
            Normalizer = kind.Family.Normalizer,
            Words = config.AddPrefixSpace == true ? new PrefixSpaceStage(words) : words,
            Frame = kind.HasClassFrame ? config.ClassFrame(file, addedTokens) : config.SequenceFrame(file, addedTokens, addBosByDefault: false),
            PadId = config.PadId(vocabulary, addedTokens),
            SourceFiles = [file, mergesFile, .. config.Files],
        };
    }

    private static TokenizerClass FindClass(string file, string name) => Classes.FirstOrDefault(kind => kind.Name == name) ?? throw FileProblem.In(
        file,
        $"the tokenizer class '{name}' in tokenizer_config.json is not implemented for vocab.json. " +
        $"Implemented are {FileProblem.List([.. Classes.Select(kind => kind.Name)])}.");

    /// <summary>What a class of transformers means for these files.</summary>
    /// <param name="Name">The class.</param>
    /// <param name="Family">How it splits text.</param>
    /// <param name="Defaults">The special tokens that it takes if no file names them.</param>
    private sealed record TokenizerClass(string Name, ByteLevelFamily Family, params (string Key, string Token)[] Defaults)
    {
        /// <summary>Texts stand between <c>cls_token</c> and <c>sep_token</c>, as BERT's do.</summary>
        public bool HasClassFrame { get; init; }
    }
}
