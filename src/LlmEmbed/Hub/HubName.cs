namespace LlmEmbed.Hub;

/// <summary>
/// A repository of the Hugging Face Hub and one of its revisions, as <c>org/name[@revision]</c> names them, or one GGUF file in it:
/// <c>org/name:Q8_0[@revision]</c> or <c>org/name/file.gguf[@revision]</c>.
/// </summary>
/// <param name="Id"><c>org/name</c> or, for the oldest models, <c>name</c>.</param>
/// <param name="Revision">A branch, a tag, a commit or <c>refs/pr/N</c>.</param>
/// <param name="IsRevisionGiven">Whether the name said which revision.</param>
internal sealed record HubName(string Id, string Revision, bool IsRevisionGiven)
{
    public const string DefaultRevision = "main";

    private const int MostCharacters = 96;

    /// <summary>The path of the one GGUF file that is meant; null if the name holds none.</summary>
    public string? File { get; init; }

    /// <summary>The quantization of the one GGUF file that is meant; null if the name holds none.</summary>
    public string? Label { get; init; }

    /// <summary>Whether one GGUF file is meant.</summary>
    public bool IsOneFile => File is not null || Label is not null;

    /// <summary>The repository's folder in a cache.</summary>
    public string Folder => "models--" + Id.Replace("/", "--", StringComparison.Ordinal);

    /// <summary>Whether the revision is a whole commit, which never changes.</summary>
    public bool IsCommit => IsCommitHash(Revision);

    /// <summary>The revision as part of an address, in which a slash would begin the next part.</summary>
    public string EscapedRevision => Uri.EscapeDataString(Revision);

    /// <summary>Null if no repository can have this name.</summary>
    public static HubName? Parse(string name)
    {
        string[] parts = name.Split('@', 2), labelled = parts[0].Split(':'), folders = parts[0].Split('/', 3);
        HubName parsed = new(parts[0], parts.Length > 1 ? parts[1] : DefaultRevision, parts.Length > 1);
        if (labelled.Length == 2) parsed = parsed with { Id = labelled[0], Label = labelled[1] };
        else if (folders.Length == 3 && HubGguf.Is(folders[2])) parsed = parsed with { Id = $"{folders[0]}/{folders[1]}", File = folders[2] };
        return IsId(parsed.Id) && IsRevision(parsed.Revision) && IsSafePath(parsed.File ?? "file")
            && (parsed.Label is null || (parsed.Label.Length > 0 && parsed.Label.All(IsNameCharacter))) ? parsed : null;
    }

    /// <summary>The name by which the same file, or the same files, are found for ever.</summary>
    public string At(string commit, string? file) => $"{Id}{(file is null ? "" : $"/{file}")}@{commit}";

    /// <summary>
    /// As <see cref="Parse"/>, but only for names that can hardly mean a local path, because asking for one tells others about it: a slash or an @ is
    /// needed, and neither may the part before the slash be a folder here nor the name of the repository look like a file of a model.
    /// </summary>
    public static HubName? ParseRemote(string name) =>
        Parse(name) is { } parsed && (parsed.IsRevisionGiven || parsed.Id.Contains('/', StringComparison.Ordinal))
        && !Path.Exists(parsed.Id.Split('/')[0]) && Path.GetExtension(parsed.Id) is not (".gguf" or ".safetensors" or ".json")
            ? parsed : null;

    public static bool IsCommitHash(string text) => text.Length == 40 && text.All(char.IsAsciiHexDigitLower);

    /// <summary>Whether a file of a repository stays inside of its snapshot, on every system.</summary>
    public static bool IsSafePath(string path) => path.Split('/').All(
        part => part.AsSpan().Trim('.').Length > 0 && !part.AsSpan().ContainsAny('\\', ':', '\0') && !part.Any(char.IsControl));

    private static bool IsId(string id)
    {
        string[] parts = id.Split('/');
        return parts.Length <= 2 && parts.All(IsPlain) && parts[^1].Length <= MostCharacters && !id.Contains("--", StringComparison.Ordinal)
            && !id.Contains("..", StringComparison.Ordinal) && !id.EndsWith(".git", StringComparison.Ordinal);

        static bool IsPlain(string part) =>
            part.Length > 0 && part.All(IsNameCharacter) && part[0] is not ('-' or '.') && part[^1] is not ('-' or '.');
    }

    private static bool IsRevision(string revision) =>
        revision.Split('/').All(part => part.AsSpan().Trim('.').Length > 0 && part.All(IsNameCharacter));

    private static bool IsNameCharacter(char character) => char.IsAsciiLetterOrDigit(character) || character is '-' or '_' or '.';
}
