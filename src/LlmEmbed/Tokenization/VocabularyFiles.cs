using System.Text;

namespace LlmEmbed.Tokenization;

/// <summary>BERT's vocab.txt: one token a line, its id the line's number from 0.</summary>
internal static class BertVocabularyFile
{
    private static readonly string[] Classes = ["BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer", "MPNetTokenizer"];

    public static TokenizerParts Read(string file)
    {
        TokenizerConfig config = TokenizerConfig.Beside(file);
        if (config.TokenizerClass is string name && !Classes.Contains(name, StringComparer.Ordinal))
            throw TokenizerFiles.Error(file, $"the tokenizer class '{name}' is not implemented for vocab.txt. Implemented are {string.Join(", ", Classes)}.");

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
            Normalizer = new BertNormalizer(cleanText: true, config.SplitChineseCharacters, config.StripAccents ?? config.LowerCase, config.LowerCase),
            Words = new BertSplit(new WordPieceModel(vocabulary, unknownId, "##", maxWordCharacters: 100)),
            Frame = new SpecialTokenFrame([config.RequiredId(file, "cls_token", addedTokens)], [config.RequiredId(file, "sep_token", addedTokens)]),
            PadId = config.PadId(vocabulary, addedTokens),
            SourceFiles = [file, .. config.Files],
        };
    }
}

/// <summary>GPT-2's vocab.json and merges.txt, which RoBERTa and Qwen2 have too.</summary>
internal static class Gpt2Files
{
    public static TokenizerParts Read(string file)
    {
        string mergesFile = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(file))!, "merges.txt");
        if (!File.Exists(mergesFile)) throw TokenizerFiles.Error(mergesFile, "no such file, but vocab.json needs it.");
        TokenizerConfig config = TokenizerConfig.Beside(file);
        Vocabulary vocabulary = new(file, JsonSection.ReadFile(file, section => section.Ids()));
        BpeModel model = new(vocabulary, BpeMerges.ReadFile(mergesFile, vocabulary), new BpeOptions());

        string name = config.TokenizerClass ?? "(none)";
        bool isRoberta = name is "RobertaTokenizer", isQwen2 = name is "Qwen2Tokenizer";
        if (!isRoberta && !isQwen2 && name is not "GPT2Tokenizer")
        {
            throw TokenizerFiles.Error(file, $"the tokenizer class '{name}' in tokenizer_config.json is not implemented for vocab.json. " +
                "Implemented are GPT2Tokenizer, RobertaTokenizer and Qwen2Tokenizer.");
        }
        if (isRoberta) config.AddClassDefaults(vocabulary, ("cls_token", "<s>"), ("pad_token", "<pad>"), ("sep_token", "</s>"), ("unk_token", "<unk>"));
        else if (!isQwen2) config.AddClassDefaults(vocabulary, ("bos_token", "<|endoftext|>"), ("eos_token", "<|endoftext|>"));
        List<AddedToken> addedTokens = config.ResolveAddedTokens(vocabulary);
        int[] Id(string key) => [config.RequiredId(file, key, addedTokens)];

        ByteLevelStage bytes = new(model);
        TextStage words = isQwen2 ? new Llama3Split(maxDigits: 1, bytes) : new Gpt2Split(bytes);
        return new TokenizerParts
        {
            Kind = "byte-level BPE",
            PreTokenizer = isQwen2 ? "qwen2" : "gpt-2",
            Vocabulary = vocabulary,
            AddedTokens = addedTokens,
            Normalizer = isQwen2 ? new UnicodeFormNormalizer(NormalizationForm.FormC) : null,
            Words = config.AddPrefixSpace == true ? new PrefixSpaceStage(words) : words,
            Frame = isRoberta ? new SpecialTokenFrame(Id("cls_token"), Id("sep_token"))
                : new SpecialTokenFrame(config.AddBosToken == true ? Id("bos_token") : [], config.AddEosToken == true ? Id("eos_token") : []),
            PadId = config.PadId(vocabulary, addedTokens),
            SourceFiles = [file, mergesFile, .. config.Files],
        };
    }
}
