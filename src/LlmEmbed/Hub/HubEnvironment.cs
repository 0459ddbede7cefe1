using System.Globalization;
using System.Text.RegularExpressions;
using LlmEmbed.Files;

namespace LlmEmbed.Hub;

/// <summary>Where the Hub and its cache are, who asks, and for how long: the variables that the Hub's Python library obeys.</summary>
internal sealed partial record HubEnvironment
{
    public const string TokenVariable = "HF_TOKEN";

    private const string OfflineVariable = "HF_HUB_OFFLINE", HomeVariable = "HF_HOME", HubFolder = "hub";
    private static readonly string[] PublicHosts = ["https://huggingface.co", "https://hf.co"];

    /// <summary>The variables that name the cache or a folder above it, the strongest first, with what lies below that folder.</summary>
    private static readonly (string Variable, string[] Below)[] CacheVariables =
    [
        ("HF_HUB_CACHE", []),
        ("HUGGINGFACE_HUB_CACHE", []),
        (HomeVariable, [HubFolder]),
        ("XDG_CACHE_HOME", ["huggingface", HubFolder]),
    ];

    /// <summary>The folder of the cache.</summary>
    public required string Cache { get; init; }

    /// <summary>Scheme, host and port of the Hub or of a mirror, without a slash at the end.</summary>
    public string Endpoint { get; init; } = PublicHosts[0];

    /// <summary>Further hosts that are the Hub and may have the token.</summary>
    public IReadOnlyList<string> HubHosts { get; init; } = PublicHosts;

    /// <summary>The user's token; null if there is none. It is in no message.</summary>
    public string? Token { get; init; }

    /// <summary>Where the token comes from, for messages.</summary>
    public string? TokenSource { get; init; }

    /// <summary>Why nothing may be sent, as a message says it; null if it may.</summary>
    public string? WhyOffline { get; init; }

    /// <summary>The longest time for an answer to begin.</summary>
    public TimeSpan AnswerTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The longest time without a byte.</summary>
    public TimeSpan IdleTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>What <c>User-Agent</c> gets at its end.</summary>
    public string? AgentOrigin { get; init; }

    /// <summary>Makes a symbolic link, given its path and where it leads; null if none may be tried. Files are moved and copied then.</summary>
    public Action<string, string>? Link { get; init; } = (path, target) => File.CreateSymbolicLink(path, target);

    /// <summary>The same, but nothing may be sent.</summary>
    public HubEnvironment Offline() => this with { WhyOffline = WhyOffline ?? "offline work was asked for" };

    /// <summary>Waits between two attempts; tests need not.</summary>
    public Func<TimeSpan, CancellationToken, Task> Wait { get; init; } = Task.Delay;

    /// <summary>What the variables of this process say.</summary>
    /// <exception cref="LlmEmbedException">A variable has a value that cannot be meant, or the token's file cannot be read.</exception>
    public static HubEnvironment OfProcess()
    {
        (string? token, string? source) = FindToken();
        HubEnvironment environment = new()
        {
            Cache = CacheFolder(),
            Endpoint = FindEndpoint() ?? PublicHosts[0],
            Token = token,
            TokenSource = source,
            WhyOffline = new[] { OfflineVariable, "TRANSFORMERS_OFFLINE" }.FirstOrDefault(IsOn) is string variable ? $"{variable} is set" : null,
            AnswerTime = Seconds("HF_HUB_ETAG_TIMEOUT"),
            IdleTime = Seconds("HF_HUB_DOWNLOAD_TIMEOUT"),
            AgentOrigin = Value("HF_HUB_USER_AGENT_ORIGIN"),
        };
        return IsOn("HF_HUB_DISABLE_SYMLINKS") ? environment with { Link = null } : environment;
    }

    /// <summary>The folder of the cache alone, which needs neither token nor endpoint.</summary>
    public static string CacheFolder()
    {
        foreach ((string variable, string[] below) in CacheVariables)
            if (Value(variable) is string value) return Path.GetFullPath(Path.Combine([Expand(value), .. below]));
        return Path.Combine(Home, ".cache", "huggingface", HubFolder);
    }

    private static string Home => Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);

    private static (string? Token, string? Source) FindToken()
    {
        if (IsOn("HF_HUB_DISABLE_IMPLICIT_TOKEN")) return (null, null);
        foreach (string variable in (string[])[TokenVariable, "HUGGING_FACE_HUB_TOKEN"])
            if (CleanToken(Value(variable), variable) is string token) return (token, variable);
        // The folder above the cache of HF_HOME holds the token, wherever other variables move the cache.
        string file = Value("HF_TOKEN_PATH") is string path ? Path.GetFullPath(Expand(path)) : Path.Combine(HomeOfHub(), "token");
        return File.Exists(file) && CleanToken(FileProblem.WhenReading(file, File.ReadAllText), file) is string stored
            ? (stored, file) : (null, null);
    }

    private static string HomeOfHub()
    {
        if (Value(HomeVariable) is string home) return Path.GetFullPath(Expand(home));
        string cache = Value("XDG_CACHE_HOME") is string folder ? Path.GetFullPath(Expand(folder)) : Path.Combine(Home, ".cache");
        return Path.Combine(cache, "huggingface");
    }

    /// <summary>Without white space and line ends; null if nothing is left.</summary>
    private static string? CleanToken(string? text, string source)
    {
        string token = (text ?? "").Replace("\r", "", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal).Trim();
        if (token.All(character => character is > ' ' and < '\u007f')) return token.Length > 0 ? token : null;
        throw new LlmEmbedException($"The token from {source} holds blanks or characters that no token has. Copy it again.");
    }

    private static string? FindEndpoint()
    {
        const string Variable = "HF_ENDPOINT";
        if (Value(Variable)?.Trim().TrimEnd('/') is not { Length: > 0 } value) return null;
        if (Uri.TryCreate(value, UriKind.Absolute, out Uri? address) && address.Scheme is "http" or "https"
            && address.UserInfo.Length == 0)
            return value;
        throw new LlmEmbedException($"{Variable} is '{value}', expected an address such as {PublicHosts[0]}.");
    }

    private static TimeSpan Seconds(string variable)
    {
        const double Usual = 10, Most = 86_400;
        if (Value(variable) is not string value) return TimeSpan.FromSeconds(Usual);
        if (double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds) && seconds is > 0 and <= Most)
            return TimeSpan.FromSeconds(seconds);
        throw new LlmEmbedException($"{variable} is '{value}', expected seconds above 0 and up to {Most:N0}.");
    }

    private static bool IsOn(string variable) => Value(variable)?.ToUpperInvariant() is "1" or "ON" or "YES" or "TRUE";

    private static string? Value(string variable) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? value : null;

    /// <summary>Python expands a leading ~ and variables such as $USER or ${USER}; a variable that is not set stays as it is written.</summary>
    private static string Expand(string path)
    {
        if (path == "~" || path.StartsWith("~/", StringComparison.Ordinal)) path = Home + path[1..];
        return Variables().Replace(path, match => Environment.GetEnvironmentVariable(match.Value.Trim('$', '{', '}')) ?? match.Value);
    }

    [GeneratedRegex(@"\$(\w+|\{\w+\})", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Variables();
}
