using System.Text;
using System.Text.Json;

namespace LlmEmbed.Tokenization;

/// <summary>
/// Reads tokenizer.json, the format of the Hugging Face tokenizers library. Everything that changes ids is either done exactly as the library does it
/// or refused by name; a decoder, truncation and padding do not change the ids of a text.
/// </summary>
internal sealed class TokenizerJson
{
    private readonly string _file;
    private readonly JsonSection _root;

    private TokenizerJson(string file, JsonSection root) => (_file, _root) = (file, root);

    public static TokenizerParts Read(string file) => JsonSection.ReadFile(file, root => new TokenizerJson(file, root).Read());

    private TokenizerParts Read()
    {
        _root.Ignore("version", "decoder", "truncation", "padding");
        (TextStage model, string kind, Vocabulary vocabulary) = ReadModel(_root.Section("model"));
        List<AddedToken> addedTokens = ReadAddedTokens(vocabulary);
        List<string> names = [];
        TextStage words = _root.SectionOrNull("pre_tokenizer") is JsonSection preTokenizer ? ReadPreTokenizer(preTokenizer, model, names) : model;
        TextNormalizer? normalizer = _root.SectionOrNull("normalizer") is JsonSection section ? ReadNormalizer(section) : null;
        SpecialTokenFrame frame = _root.SectionOrNull("post_processor") is JsonSection processor ? ReadPostProcessor(processor) : SpecialTokenFrame.None;
        CheckFrame(frame, vocabulary, addedTokens);

        TokenizerConfig config = TokenizerConfig.Beside(_file);
        int? padId = config.PadId(vocabulary, addedTokens) ?? _root.SectionOrNull("padding")?.NumberOrNull("pad_id");
        _root.RefuseUnread();
        return new TokenizerParts
        {
            Kind = names.Contains("ByteLevel") ? $"byte-level {kind}" : kind,
            PreTokenizer = names.Count == 0 ? null : string.Join(" + ", names),
            Vocabulary = vocabulary,
            AddedTokens = addedTokens,
            Normalizer = normalizer,
            Words = words,
            Frame = frame,
            PadId = padId,
            SourceFiles = [_file],
        };
    }

    private List<AddedToken> ReadAddedTokens(Vocabulary vocabulary)
    {
        List<AddedToken> tokens = [];
        foreach (JsonSection section in _root.Sections("added_tokens"))
        {
            AddedToken token = TokenizerConfig.ReadToken(section, section.Number("id"));
            section.RefuseUnread();
            if (token.Content.Length == 0) continue;
            vocabulary.Check(token);
            tokens.Add(token);
        }
        return tokens;
    }

    private (TextStage Model, string Kind, Vocabulary Vocabulary) ReadModel(JsonSection model)
    {
        // Early files name no type; the keys tell.
        string type = model.TextOrNull("type")
            ?? (model.Has("merges") ? "BPE" : model.Has("max_input_chars_per_word") ? "WordPiece" : model.Has("unk_id") ? "Unigram" : "(none)");
        (TextStage Model, string Kind, Vocabulary Vocabulary) result = type switch
        {
            "BPE" => ReadBpe(model),
            "WordPiece" => ReadWordPiece(model),
            "Unigram" => ReadUnigram(model),
            _ => throw NotImplemented("model", type, "BPE, WordPiece and Unigram"),
        };
        model.RefuseUnread();
        return result;
    }

    private (TextStage Model, string Kind, Vocabulary Vocabulary) ReadWordPiece(JsonSection model)
    {
        Vocabulary vocabulary = new(_file, model.Ids("vocab"));
        int unknownId = RequiredId(model, "unk_token", vocabulary);
        string prefix = model.TextOrNull("continuing_subword_prefix") ?? "##";
        int maxCharacters = model.NumberOrNull("max_input_chars_per_word") ?? 100;
        return (new WordPieceModel(vocabulary, unknownId, prefix, maxCharacters), "WordPiece", vocabulary);
    }

    private (TextStage Model, string Kind, Vocabulary Vocabulary) ReadBpe(JsonSection model)
    {
        Vocabulary vocabulary = new(_file, model.Ids("vocab"));
        model.Ignore("cache_capacity");
        BpeOptions options = new()
        {
            UnknownId = model.Has("unk_token") ? RequiredId(model, "unk_token", vocabulary) : null,
            FuseUnknown = model.Flag("fuse_unk", fallback: false),
            ByteFallback = model.Flag("byte_fallback", fallback: false),
            IgnoreMerges = model.Flag("ignore_merges", fallback: false),
            ContinuationPrefix = model.TextOrNull("continuing_subword_prefix") ?? "",
            EndOfWordSuffix = model.TextOrNull("end_of_word_suffix") ?? "",
        };
        JsonElement array = model.Array("merges");
        BpeMerges merges = new(_file, vocabulary, options.ContinuationPrefix, array.GetArrayLength());
        int count = 0;
        foreach (JsonElement merge in array.EnumerateArray())
        {
            if (!TryAddMerge(merges, merge)) throw model.Wrong($"merges[{count}]", merge, "two tokens");
            count++;
        }
        return (new BpeModel(vocabulary, merges, options), options.ByteFallback ? "BPE with byte fallback" : "BPE", vocabulary);
    }

    /// <summary>Old files write a merge as "a b", new ones as ["a", "b"].</summary>
    private static bool TryAddMerge(BpeMerges merges, JsonElement merge)
    {
        if (merge.ValueKind == JsonValueKind.String) return merges.TryAdd(merge.GetString());
        if (!IsPair(merge) || merge[0].ValueKind != JsonValueKind.String || merge[1].ValueKind != JsonValueKind.String) return false;
        merges.Add(merge[0].GetString(), merge[1].GetString());
        return true;
    }

    private (TextStage Model, string Kind, Vocabulary Vocabulary) ReadUnigram(JsonSection model)
    {
        List<(string Token, double Score)> pieces = [];
        foreach (JsonElement item in model.Array("vocab").EnumerateArray())
        {
            if (!IsPair(item) || item[0].ValueKind != JsonValueKind.String || item[1].ValueKind != JsonValueKind.Number)
                throw model.Wrong($"vocab[{pieces.Count}]", item, "a token and its score");
            pieces.Add((item[0].GetString()!, item[1].GetDouble()));
        }
        Vocabulary vocabulary = new(_file, [.. pieces.Select((piece, id) => KeyValuePair.Create(piece.Token, id))]);
        int unknownId = model.NumberOrNull("unk_id") ?? -1;
        if (vocabulary.Token(unknownId) is null)
            throw model.Error($"'{model.Place("unk_id")}' is {unknownId}, expected the id of one of the {pieces.Count} tokens.");
        bool byteFallback = model.Flag("byte_fallback", fallback: false);
        return (new UnigramModel(vocabulary, pieces, unknownId, byteFallback), "Unigram", vocabulary);
    }

    private TextNormalizer ReadNormalizer(JsonSection section)
    {
        TextNormalizer normalizer = section.Text("type") switch
        {
            "Sequence" => new SequenceNormalizer([.. section.Sections("normalizers").Select(ReadNormalizer)]),
            "BertNormalizer" => ReadBertNormalizer(section),
            "Lowercase" => new LowercaseNormalizer(),
            "NFC" => new UnicodeFormNormalizer(NormalizationForm.FormC),
            "NFD" => new UnicodeFormNormalizer(NormalizationForm.FormD),
            "NFKC" => new UnicodeFormNormalizer(NormalizationForm.FormKC),
            "NFKD" => new UnicodeFormNormalizer(NormalizationForm.FormKD),
            "StripAccents" => new RemovingNormalizer(CharacterClass.IsMark),
            "Strip" => new StripNormalizer(section.Flag("strip_left", fallback: true), section.Flag("strip_right", fallback: true)),
            "Prepend" => new PrependNormalizer(section.Text("prepend")),
            "Replace" => ReadReplace(section),
            "Precompiled" => new PrecompiledNormalizer(ReadCharacterMap(section)),
            string other => throw NotImplemented(
                section.Place("type"),
                other,
                "Sequence, BertNormalizer, Lowercase, NFC, NFD, NFKC, NFKD, StripAccents, Strip, Prepend, Replace and Precompiled"),
        };
        section.RefuseUnread();
        return normalizer;
    }

    private static BertNormalizer ReadBertNormalizer(JsonSection section)
    {
        bool lowercase = section.Flag("lowercase", fallback: true);
        return new BertNormalizer(
            section.Flag("clean_text", fallback: true),
            section.Flag("handle_chinese_chars", fallback: true),
            section.FlagOrNull("strip_accents") ?? lowercase,
            lowercase);
    }

    private TextNormalizer ReadReplace(JsonSection section)
    {
        JsonSection pattern = section.Section("pattern");
        string content = section.Text("content");
        if (pattern.TextOrNull("String") is string literal)
            return literal.Length > 0 ? new ReplaceNormalizer(literal, content) : throw section.Error($"'{section.Place("pattern")}' is empty.");
        return pattern.Text("Regex") switch
        {
            @"\s+" => new ReplaceRunsNormalizer(char.IsWhiteSpace, minimum: 1, content),
            " {2,}" => new ReplaceRunsNormalizer(character => character == ' ', minimum: 2, content),
            string other => throw NotImplemented(pattern.Place("Regex"), other, @"\s+ and two or more spaces"),
        };
    }

    private PrecompiledCharacterMap ReadCharacterMap(JsonSection section)
    {
        try
        {
            return new PrecompiledCharacterMap(_file, Convert.FromBase64String(section.Text("precompiled_charsmap")));
        }
        catch (FormatException)
        {
            throw section.Error($"'{section.Place("precompiled_charsmap")}' is not base64. Fetch the file again.");
        }
    }

    /// <summary>Builds the chain from its end, so a sequence is read from its last member to its first.</summary>
    private TextStage ReadPreTokenizer(JsonSection section, TextStage next, List<string> names)
    {
        string type = section.Text("type");
        if (type != "Sequence") names.Insert(0, type);
        TextStage stage = type switch
        {
            "Sequence" => section.Sections("pretokenizers").Reverse().Aggregate(next, (behind, member) => ReadPreTokenizer(member, behind, names)),
            "BertPreTokenizer" => new BertSplit(next),
            "Whitespace" => new WordSplit(next),
            "WhitespaceSplit" => new DelimiterSplit(CharacterClass.IsWhiteSpace, DelimiterBehavior.Removed, next),
            "Punctuation" => new DelimiterSplit(CharacterClass.IsPunctuation, ReadBehavior(section, DelimiterBehavior.Isolated), next),
            "Digits" when section.Flag("individual_digits", fallback: false) => new DelimiterSplit(CharacterClass.IsNumber, DelimiterBehavior.Isolated, next),
            "Digits" => new DelimiterSplit(CharacterClass.IsNumber, DelimiterBehavior.Contiguous, next),
            "Metaspace" => ReadMetaspace(section, next),
            "ByteLevel" => ReadByteLevel(section, next),
            "Split" => ReadSplit(section, next),
            _ => throw NotImplemented(
                section.Place("type"), type, "Sequence, BertPreTokenizer, Whitespace, WhitespaceSplit, Punctuation, Digits, Metaspace, ByteLevel and Split"),
        };
        section.RefuseUnread();
        return stage;
    }

    private MetaspaceStage ReadMetaspace(JsonSection section, TextStage next)
    {
        section.Ignore("str_rep");
        string replacement = section.Text("replacement");
        if (replacement.Length != 1) throw section.Error($"'{section.Place("replacement")}' is '{replacement}', expected one character.");
        // Files of before 2024 say only whether there is a prefix.
        string scheme = section.TextOrNull("prepend_scheme") ?? (section.Flag("add_prefix_space", fallback: true) ? "always" : "never");
        section.Ignore("add_prefix_space");
        MetaspacePrefix prefix = scheme switch
        {
            "always" => MetaspacePrefix.Always,
            "first" => MetaspacePrefix.First,
            "never" => MetaspacePrefix.Never,
            _ => throw NotImplemented(section.Place("prepend_scheme"), scheme, "always, first and never"),
        };
        if (section.Flag("split", fallback: true)) next = new DelimiterSplit(rune => rune.Value == replacement[0], DelimiterBehavior.MergedWithNext, next);
        return new MetaspaceStage(replacement[0], prefix, next);
    }

    private static TextStage ReadByteLevel(JsonSection section, TextStage next)
    {
        section.Ignore("trim_offsets");
        TextStage stage = new ByteLevelStage(next);
        if (section.Flag("use_regex", fallback: true)) stage = new Gpt2Split(stage);
        return section.Flag("add_prefix_space", fallback: true) ? new PrefixSpaceStage(stage) : stage;
    }

    private TextStage ReadSplit(JsonSection section, TextStage next)
    {
        JsonSection pattern = section.Section("pattern");
        DelimiterBehavior behavior = ReadBehavior(section, fallback: null);
        bool isInverted = section.Flag("invert", fallback: false);
        if (pattern.TextOrNull("String") is string literal)
        {
            if (isInverted || !Rune.TryGetRuneAt(literal, 0, out Rune delimiter) || delimiter.Utf16SequenceLength != literal.Length)
                throw NotImplemented(section.Place("pattern"), literal, "one character, not inverted");
            return new DelimiterSplit(rune => rune == delimiter, behavior, next);
        }
        string regex = pattern.Text("Regex");
        PatternSplit split = PatternSplit.For(regex, next) ?? throw NotImplemented(pattern.Place("Regex"), regex, "the patterns of GPT-2, LLaMA-3 and Qwen2");
        // The three patterns match all of a text, so isolating the matches or dropping what lies between them is the same.
        if ((behavior, isInverted) is (DelimiterBehavior.Isolated, _) or (DelimiterBehavior.Removed, true)) return split;
        throw NotImplemented(section.Place("behavior"), behavior.ToString(), "Isolated, or Removed and inverted, for this pattern");
    }

    private DelimiterBehavior ReadBehavior(JsonSection section, DelimiterBehavior? fallback)
    {
        if (section.TextOrNull("behavior") is not string name)
            return fallback ?? throw section.Error($"'{section.Place("behavior")}' is missing.");
        return Enum.TryParse(name, out DelimiterBehavior behavior) && Enum.GetName(behavior) == name ? behavior
            : throw NotImplemented(section.Place("behavior"), name, string.Join(", ", Enum.GetNames<DelimiterBehavior>()));
    }

    private SpecialTokenFrame ReadPostProcessor(JsonSection section)
    {
        string type = section.Text("type");
        SpecialTokenFrame frame = type switch
        {
            // Members wrap what the members before them gave.
            "Sequence" => section.Sections("processors").Select(ReadPostProcessor).Aggregate(SpecialTokenFrame.None, (inner, outer) =>
                new SpecialTokenFrame([.. outer.Before, .. inner.Before], [.. inner.After, .. outer.After])),
            "TemplateProcessing" => ReadTemplate(section),
            "RobertaProcessing" or "BertProcessing" => new SpecialTokenFrame([ReadTokenPair(section, "cls")], [ReadTokenPair(section, "sep")]),
            "ByteLevel" => SpecialTokenFrame.None,
            _ => throw NotImplemented(section.Place("type"), type, "Sequence, TemplateProcessing, RobertaProcessing, BertProcessing and ByteLevel"),
        };
        section.Ignore("trim_offsets", "add_prefix_space", "use_regex", "pair").RefuseUnread();
        return frame;
    }

    private static int ReadTokenPair(JsonSection section, string key)
    {
        JsonElement pair = section.Array(key);
        return IsPair(pair) && pair[1].ValueKind == JsonValueKind.Number && pair[1].TryGetInt32(out int id) ? id
            : throw section.Wrong(key, pair, "a token and its id");
    }

    private static SpecialTokenFrame ReadTemplate(JsonSection section)
    {
        Dictionary<string, int[]> ids = section.NamedSections("special_tokens")
            .ToDictionary(item => item.Key, item => item.Value.Numbers("ids"), StringComparer.Ordinal);
        List<int> before = [], after = [];
        int sequences = 0;
        foreach (JsonSection item in section.Sections("single"))
        {
            if (item.SectionOrNull("Sequence") is JsonSection sequence)
            {
                sequences += sequence.Text("id") == "A" ? 1 : 2;
                continue;
            }
            string token = item.Section("SpecialToken").Text("id");
            if (!ids.TryGetValue(token, out int[]? tokenIds))
                throw section.Error($"the template uses '{token}', which '{section.Place("special_tokens")}' does not have.");
            (sequences == 0 ? before : after).AddRange(tokenIds);
        }
        if (sequences != 1) throw section.Error($"'{section.Place("single")}' does not hold the text (sequence A) exactly once.");
        return new SpecialTokenFrame([.. before], [.. after]);
    }

    private void CheckFrame(SpecialTokenFrame frame, Vocabulary vocabulary, List<AddedToken> addedTokens)
    {
        foreach (int id in frame.Before.Concat(frame.After))
            if (vocabulary.Token(id) is null && !addedTokens.Exists(token => token.Id == id))
                throw _root.Error($"'post_processor' adds the id {id}, which no token has.");
    }

    private static bool IsPair(JsonElement element) => element.ValueKind == JsonValueKind.Array && element.GetArrayLength() == 2;

    private static int RequiredId(JsonSection section, string key, Vocabulary vocabulary)
    {
        string token = section.Text(key);
        return vocabulary.TryGetId(token, out int id) ? id : throw section.Error($"'{section.Place(key)}' is '{token}', which the vocabulary does not have.");
    }

    private LlmEmbedException NotImplemented(string place, string found, string implemented) =>
        TokenizerFiles.Error(_file, $"'{place}' is \"{found}\", which is not implemented. Implemented are {implemented}.");
}
