using System.Globalization;
using System.Text.Json;

namespace LlmEmbed.Tokenization;

/// <summary>
/// tokenizer_config.json, special_tokens_map.json and added_tokens.json beside a vocabulary: which tokens are special, and what the tokenizer's class does.
/// Files that do not exist count as empty.
/// </summary>
internal sealed class TokenizerConfig
{
    /// <summary>In the order in which transformers adds those that a vocabulary lacks.</summary>
    private static readonly string[] SpecialTokenKeys = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    private readonly Dictionary<string, AddedToken> _special = new(StringComparer.Ordinal);
    private readonly List<AddedToken> _additional = [];
    private readonly List<AddedToken> _withIds = [];
    private readonly List<string> _files = [];

    /// <summary>The files that exist.</summary>
    public IReadOnlyList<string> Files => _files;

    /// <summary>transformers' name of the tokenizer without the "Fast" at its end, null where none is given.</summary>
    public string? TokenizerClass { get; private set; }

    public bool? AddBosToken { get; private set; }

    public bool? AddEosToken { get; private set; }

    public bool? AddPrefixSpace { get; private set; }

    /// <summary>False where SentencePiece's space goes in front of the whole text only, not of every part behind a special token.</summary>
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
    public string? Special(string key) => _special.GetValueOrDefault(key)?.Content;

    /// <summary>What the tokenizer's class takes for special tokens that no file names, where the vocabulary has them.</summary>
    public void AddClassDefaults(Vocabulary vocabulary, params ReadOnlySpan<(string Key, string Token)> defaults)
    {
        foreach ((string key, string token) in defaults)
            if (vocabulary.TryGetId(token, out int id)) _special.TryAdd(key, new AddedToken(id, token));
    }

    /// <summary>All tokens named here with their ids; special tokens that neither a file nor the vocabulary gives an id come behind the last one.</summary>
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
        return resolved;
    }

    /// <summary>The id of a special token that the model cannot do without.</summary>
    /// <param name="file">The vocabulary's file, for messages.</param>
    /// <param name="key">E.g. <c>cls_token</c>.</param>
    /// <param name="addedTokens">What <see cref="ResolveAddedTokens"/> gave.</param>
    public int RequiredId(string file, string key, IEnumerable<AddedToken> addedTokens)
    {
        string? token = Special(key);
        return addedTokens.FirstOrDefault(added => added.Content == token)?.Id ?? throw TokenizerFiles.Error(
            file,
            $"a '{key}' is needed, but neither tokenizer_config.json nor special_tokens_map.json beside it names one, and the vocabulary has none of the usual name.");
    }

    /// <summary>The id of <c>pad_token</c>, null where it is not named or no token has its text.</summary>
    public int? PadId(Vocabulary vocabulary, IReadOnlyCollection<AddedToken> addedTokens)
    {
        string? pad = Special("pad_token");
        if (addedTokens.FirstOrDefault(token => token.Content == pad) is AddedToken added) return added.Id;
        return vocabulary.TryGetId(pad, out int id) ? id : null;
    }

    /// <summary>An added token as the JSON files write it.</summary>
    public static AddedToken ReadToken(JsonSection section, int id) => new(id, section.Text("content"))
    {
        SingleWord = section.Flag("single_word", fallback: false),
        StripLeft = section.Flag("lstrip", fallback: false),
        StripRight = section.Flag("rstrip", fallback: false),
        Normalized = section.Flag("normalized", fallback: !section.Flag("special", fallback: false)),
    };

    private void ReadIfPresent(string besideFile, string name, Action<JsonSection> read)
    {
        string file = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(besideFile))!, name);
        if (!File.Exists(file)) return;
        JsonSection.ReadFile(file, section =>
        {
            read(section);
            return true;
        });
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
