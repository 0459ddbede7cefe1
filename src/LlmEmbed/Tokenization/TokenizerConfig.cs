using System.Globalization;
using System.Text.Json;
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

    private readonly Dictionary<string, AddedToken> _special = new(StringComparer.Ordinal);
    private readonly List<AddedToken> _additional = [];
    private readonly List<AddedToken> _withIds = [];
    private readonly List<string> _files = [];

    /// <summary>The files that exist.</summary>
    public IReadOnlyList<string> Files => _files;

    /// <summary>The name of the tokenizer's class in transformers without the "Fast" at its end; null if none is given.</summary>
    public string? TokenizerClass { get; private set; }

    private bool? AddBosToken { get; set; }

    private bool? AddEosToken { get; set; }

    public bool? AddPrefixSpace { get; private set; }

    /// <summary>
    /// True if SentencePiece's space goes in front of every part behind a special token; false if it goes only in front of the whole text.
    /// </summary>
    public bool Legacy { get; private set; } = true;

    public bool LowerCase { get; private set; } = true;

    public bool? StripAccents { get; private set; }

    public bool SplitChineseCharacters { get; private set; } = true;

    public static TokenizerConfig Beside(string file)
    {
        TokenizerConfig config = new();
        config.ReadIfPresent(file, "tokenizer_config.json", config.ReadConfig);
        config.ReadIfPresent(file, "special_tokens_map.json", config.ReadSpecialTokens);
        config.ReadIfPresent(file, "added_tokens.json", section =>
            config._withIds.AddRange(section.Ids().Select(pair => new AddedToken(pair.Value, pair.Key))));
        return config;
    }

    /// <summary>The text of a special token such as <c>cls_token</c>.</summary>
    private string? Special(string key) => _special.GetValueOrDefault(key)?.Content;

    /// <summary>Adds the special tokens that a class of tokenizers takes if no file names them, as far as the vocabulary has them.</summary>
    public void AddClassDefaults(Vocabulary vocabulary, params ReadOnlySpan<(string Key, string Token)> defaults)
    {
        foreach ((string key, string token) in defaults)
            if (vocabulary.TryGetId(token, out int id)) _special.TryAdd(key, new AddedToken(id, token));
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
        TokenizerClass = section.TextOrNull("tokenizer_class") is string name && name.EndsWith("Fast", StringComparison.Ordinal)
            ? name[..^4]
            : section.TextOrNull("tokenizer_class");
        AddBosToken = section.FlagOrNull("add_bos_token");
        AddEosToken = section.FlagOrNull("add_eos_token");
        AddPrefixSpace = section.FlagOrNull("add_prefix_space");
        Legacy = section.Flag("legacy", fallback: true);
        LowerCase = section.Flag("do_lower_case", fallback: true);
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

    private void ReadSpecialTokens(JsonSection section)
    {
        foreach (string key in SpecialTokenKeys)
        {
            if (section.KindOf(key) == JsonValueKind.String) _special.TryAdd(key, new AddedToken(-1, section.Text(key)));
            // An object says more than the bare text that another file may give.
            else if (section.SectionOrNull(key) is JsonSection token) _special[key] = ReadToken(token, -1) with { Normalized = false };
        }
        if (section.KindOf("additional_special_tokens") != JsonValueKind.Array) return;
        foreach (JsonElement item in section.Array("additional_special_tokens").EnumerateArray())
            if (item.ValueKind == JsonValueKind.String) _additional.Add(new AddedToken(-1, item.GetString()!));
    }
}
