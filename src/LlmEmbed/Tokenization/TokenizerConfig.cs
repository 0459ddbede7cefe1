using System.Globalization;
using System.Text.Json;
using LlmEmbed.Checkpoints;
using LlmEmbed.Files;

namespace LlmEmbed.Tokenization;

/// <summary>
/// The files tokenizer_config.json, special_tokens_map.json and added_tokens.json beside a vocabulary. They say which tokens are special and what the
/// class of the tokenizer does. A file that does not exist counts as empty.
/// </summary>
internal sealed class TokenizerConfig
{
    /// <summary>In the order in which transformers adds the special tokens that a vocabulary lacks.</summary>
    private static readonly string[] SpecialTokenKeys = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    /// <summary>The class that transformers takes for a model if no file names one, for models whose vocabulary files are implemented.</summary>
    private static readonly (string ModelType, string TokenizerClass)[] ClassesOfModels =
    [
        ("bert", "BertTokenizer"), ("deberta-v2", "DebertaV2Tokenizer"), ("distilbert", "DistilBertTokenizer"),
        ("electra", "ElectraTokenizer"), ("gemma", "GemmaTokenizer"),
        ("gpt2", "GPT2Tokenizer"), ("llama", "LlamaTokenizer"), ("mistral", "LlamaTokenizer"), ("mobilebert", "MobileBertTokenizer"),
        ("mpnet", "MPNetTokenizer"), ("qwen2", "Qwen2Tokenizer"), ("qwen3", "Qwen2Tokenizer"), ("roberta", "RobertaTokenizer"),
        ("xlm-roberta", "XLMRobertaTokenizer"),
    ];

    private readonly Dictionary<string, AddedToken> _special = new(StringComparer.Ordinal);

    /// <summary>The keys of special tokens of which files say only the text.</summary>
    private readonly HashSet<string> _bare = new(StringComparer.Ordinal);
    private readonly List<AddedToken> _additional = [];
    private readonly List<AddedToken> _withIds = [];
    private readonly List<string> _files = [];

    /// <summary>The files that exist.</summary>
    public IReadOnlyList<string> Files => _files;

    /// <summary>
    /// The name of the tokenizer's class in transformers without the "Fast" at its end, from tokenizer_config.json or else from the model's own
    /// config.json; null if neither tells.
    /// </summary>
    public string? TokenizerClass { get; private set; }

    private bool? AddBosToken { get; set; }

    private bool? AddEosToken { get; set; }

    public bool? AddPrefixSpace { get; private set; }

    /// <summary>
    /// True if SentencePiece's space goes in front of every part behind a special token; false if it goes only in front of the whole text.
    /// </summary>
    public bool Legacy { get; private set; } = true;

    public bool LowerCase => LowerCaseIfGiven ?? true;

    /// <summary>What a file says; null if none does, for classes that do not lower by themselves.</summary>
    public bool? LowerCaseIfGiven { get; private set; }

    public bool SplitsPunctuation { get; private set; }

    public bool? StripAccents { get; private set; }

    public bool SplitChineseCharacters { get; private set; } = true;

    /// <summary>Reads the files beside a file that says everything about ids itself, so that the class of the tokenizer does not matter.</summary>
    public static TokenizerConfig Beside(string file)
    {
        TokenizerConfig config = new();
        config.ReadIfPresent(file, "tokenizer_config.json", config.ReadConfig);
        config.ReadIfPresent(file, "special_tokens_map.json", config.ReadSpecialTokens);
        config.ReadIfPresent(file, "added_tokens.json", section =>
            config._withIds.AddRange(section.Ids().Select(pair => new AddedToken(pair.Value, pair.Key))));
        return config;
    }

    /// <summary>Reads the files beside a vocabulary, whose ids depend on the class of the tokenizer.</summary>
    public static TokenizerConfig BesideVocabulary(string file)
    {
        TokenizerConfig config = Beside(file);
        if (config.TokenizerClass is null) config.ReadIfPresent(file, "config.json", section => config.TokenizerClass = ClassOfModel(section));
        return config;
    }

    /// <summary>The error for a class that a kind of vocabulary file is not read for.</summary>
    public LlmEmbedException ClassNotImplemented(string file, IReadOnlyList<string> implemented)
    {
        string problem = TokenizerClass is null
            ? "neither 'tokenizer_class' in tokenizer_config.json nor 'model_type' in config.json beside it says what class of tokenizer it is for"
            : $"the tokenizer class '{TokenizerClass}', which the files beside it name, is not implemented for {Path.GetFileName(file)}";
        return FileProblem.In(file, $"{problem}. Implemented are {FileProblem.List(implemented)}.");
    }

    /// <summary>The text of a special token such as <c>cls_token</c>.</summary>
    private string? Special(string key) => _special.GetValueOrDefault(key)?.Content;

    /// <summary>Adds the special tokens that a class of tokenizers takes if no file names them or if files say only their text.</summary>
    /// <param name="vocabulary">Without <paramref name="addsMissing"/>, only tokens that it has are added.</param>
    /// <param name="defaults">The tokens by their keys.</param>
    /// <param name="addsMissing">Whether tokens that the vocabulary lacks come behind its last one.</param>
    public void AddClassDefaults(Vocabulary vocabulary, IEnumerable<(string Key, AddedToken Token)> defaults, bool addsMissing = false)
    {
        foreach ((string key, AddedToken token) in defaults)
        {
            if (_bare.Contains(key) && Special(key) == token.Content) _special[key] = token;
            else if (addsMissing || vocabulary.TryGetId(token.Content, out _)) _special.TryAdd(key, token);
        }
    }

    /// <summary>
    /// All tokens that these files name, with their ids. Special tokens to which neither a file nor the vocabulary gives an id come behind the last
    /// one.
    /// </summary>
    public List<AddedToken> ResolveAddedTokens(Vocabulary vocabulary)
    {
        List<AddedToken> resolved = [.. _withIds.DistinctBy(token => token.Content)];
        resolved.ForEach(vocabulary.Check);
        int next = Math.Max(vocabulary.Size, resolved.Select(token => token.Id + 1).DefaultIfEmpty().Max());
        foreach (AddedToken token in SpecialTokenKeys.Where(_special.ContainsKey).Select(key => _special[key]).Concat(_additional))
        {
            if (resolved.Exists(other => other.Content == token.Content)) continue;
            resolved.Add(token with { Id = vocabulary.TryGetId(token.Content, out int id) ? id : next++ });
        }
        return [.. resolved.Select(token => token with { Special = IsSpecial(token) })];
    }

    /// <summary>Whether the configuration names a token in a role, other than that of standing for unknown text.</summary>
    private bool IsSpecial(AddedToken token) => token.Content != Special("unk_token")
        && (token.Special || _special.Values.Concat(_additional).Any(special => special.Content == token.Content));

    /// <summary>The id of a special token without which the model cannot work.</summary>
    /// <param name="file">The file of the vocabulary, for messages.</param>
    /// <param name="key">The key, for example <c>cls_token</c>.</param>
    /// <param name="addedTokens">The result of <see cref="ResolveAddedTokens"/>.</param>
    public int RequiredId(string file, string key, IEnumerable<AddedToken> addedTokens)
    {
        string? token = Special(key);
        return addedTokens.FirstOrDefault(added => added.Content == token)?.Id ?? throw FileProblem.In(
            file,
            $"a '{key}' is needed, but neither tokenizer_config.json nor special_tokens_map.json beside it names one, " +
            "and the vocabulary has none of the usual name.");
    }

    /// <summary>Texts between <c>cls_token</c> and <c>sep_token</c>.</summary>
    public SpecialTokenFrame ClassFrame(string file, IReadOnlyCollection<AddedToken> addedTokens) =>
        new([RequiredId(file, "cls_token", addedTokens)], [RequiredId(file, "sep_token", addedTokens)]);

    /// <summary>Texts behind <c>bos_token</c> and before <c>eos_token</c>, as far as the configuration asks for these tokens.</summary>
    /// <param name="file">The file of the vocabulary, for messages.</param>
    /// <param name="addedTokens">The result of <see cref="ResolveAddedTokens"/>.</param>
    /// <param name="addBosByDefault">Whether <c>bos_token</c> is added if the configuration does not say.</param>
    public SpecialTokenFrame SequenceFrame(string file, IReadOnlyCollection<AddedToken> addedTokens, bool addBosByDefault) => new(
        AddBosToken ?? addBosByDefault ? [RequiredId(file, "bos_token", addedTokens)] : [],
        AddEosToken ?? false ? [RequiredId(file, "eos_token", addedTokens)] : []);

    /// <summary>The id of <c>pad_token</c>, or null if it is not named or no token has its text.</summary>
    public int? PadId(Vocabulary vocabulary, IReadOnlyCollection<AddedToken> addedTokens)
    {
        string? pad = Special("pad_token");
        if (addedTokens.FirstOrDefault(token => token.Content == pad) is AddedToken added) return added.Id;
        return vocabulary.TryGetId(pad, out int id) ? id : null;
    }

    /// <summary>Reads an added token as tokenizer.json and the files beside it write it.</summary>
    public static AddedToken ReadToken(JsonSection section, int id) => new(id, section.Text("content"))
    {
        SingleWord = section.Flag("single_word", fallback: false),
        StripLeft = section.Flag("lstrip", fallback: false),
        StripRight = section.Flag("rstrip", fallback: false),
        Normalized = section.Flag("normalized", fallback: !section.Flag("special", fallback: false)),
        Special = section.Flag("special", fallback: false),
    };

    private void ReadIfPresent(string besideFile, string name, Action<JsonSection> read)
    {
        string file = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(besideFile))!, name);
        if (!File.Exists(file)) return;
        read(JsonSection.Open(file));
        _files.Add(file);
    }

    private void ReadConfig(JsonSection section)
    {
        TokenizerClass = ClassIn(section);
        AddBosToken = section.FlagOrNull("add_bos_token");
        AddEosToken = section.FlagOrNull("add_eos_token");
        AddPrefixSpace = section.FlagOrNull("add_prefix_space");
        Legacy = section.Flag("legacy", fallback: true);
        LowerCaseIfGiven = section.FlagOrNull("do_lower_case");
        SplitsPunctuation = section.Flag("split_by_punct", fallback: false);
        StripAccents = section.FlagOrNull("strip_accents");
        SplitChineseCharacters = section.Flag("tokenize_chinese_chars", fallback: true);
        foreach ((string key, JsonSection token) in section.NamedSections("added_tokens_decoder"))
        {
            if (!int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out int id))
                throw section.Error($"'added_tokens_decoder' has the key '{key}', expected an id.");
            _withIds.Add(ReadToken(token, id));
        }
        ReadSpecialTokens(section);
    }

    private static string? ClassIn(JsonSection section) => section.TextOrNull("tokenizer_class") is string name
        ? name.EndsWith("Fast", StringComparison.Ordinal) ? name[..^4] : name
        : null;

    private static string? ClassOfModel(JsonSection section) => ClassIn(section)
        ?? (ModelConfig.ModelTypeOf(section) is string type ? ClassesOfModels.FirstOrDefault(row => row.ModelType == type).TokenizerClass : null);

    private void ReadSpecialTokens(JsonSection section)
    {
        foreach (string key in SpecialTokenKeys)
        {
            if (section.KindOf(key) == JsonValueKind.String)
            {
                if (_special.TryAdd(key, AddedToken.Of(section.Text(key)))) _bare.Add(key);
            }
            // An object says more than the bare text that another file may give.
            else if (section.SectionOrNull(key) is JsonSection token)
            {
                _special[key] = ReadToken(token, -1) with { Normalized = false };
                _bare.Remove(key);
            }
        }
        if (section.KindOf("additional_special_tokens") != JsonValueKind.Array) return;
        JsonElement additional = section.Array("additional_special_tokens");
        if (additional.EnumerateArray().Any(item => item.ValueKind == JsonValueKind.Object))
            _additional.AddRange(section.Sections("additional_special_tokens").Select(token => ReadToken(token, -1) with { Normalized = false }));
        else
            _additional.AddRange(section.TextsOrNull("additional_special_tokens")!.Select(AddedToken.Of));
    }
}
