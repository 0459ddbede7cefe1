using System.Text.RegularExpressions;
using LlmEmbed.Files;

namespace LlmEmbed.Hub;

/// <summary>Which GGUF file of a repository a name means. A repository often holds the same model in a dozen quantizations.</summary>
internal static partial class HubGguf
{
    private const string Extension = ".gguf";

    public static bool Is(string path) => path.EndsWith(Extension, StringComparison.OrdinalIgnoreCase);

    /// <summary>The one file that a name means.</summary>
    /// <param name="name">The repository, with or without a file or a label.</param>
    /// <param name="paths">The paths of all its files.</param>
    /// <exception cref="LlmEmbedException">There is none or there are several; the message lists them.</exception>
    public static string Choose(HubName name, IEnumerable<string> paths)
    {
        string[] all = [.. paths.Where(Is).Order(StringComparer.Ordinal)], found = [.. all.Where(path => IsMeant(name, path))];
        if (found.Length == 1) return found[0];
        string place = $"{name.Id} at {name.Revision}";
        string meant = name.Label is string label ? $" of the quantization '{label}'" : name.File is string file ? $" '{file}'" : "";
        if (all.Length == 0) throw new LlmEmbedException($"{place} has no GGUF file{meant}, and no other.");
        string[] offered = found.Length > 0 ? found : all;
        string listed = FileProblem.List([.. offered.Select(path => LabelOf(path) is string of ? $"{path} ({of})" : path)]);
        string example = LabelOf(offered[0]) is string first && all.Count(path => LabelOf(path) == first) == 1
            ? $"{name.Id}:{first}" : $"{name.Id}/{offered[0]}";
        string problem = found.Length > 0
            ? $"{place} has {found.Length} GGUF files{meant}: {listed}." : $"{place} has no GGUF file{meant}. It has {listed}.";
        throw new LlmEmbedException($"{problem} Name one of them, for example {example}.");
    }

    /// <summary>Whether a name means a file. One without a file or a label means any.</summary>
    public static bool IsMeant(HubName name, string path) =>
        Is(path) && (name.File is null || name.File == path)
        && (name.Label is null || name.Label.Equals(LabelOf(path), StringComparison.OrdinalIgnoreCase));

    /// <summary>The quantization that stands at the end of a file's name, as its makers write it; null if none does.</summary>
    public static string? LabelOf(string path) =>
        Label().Match(path[..^Extension.Length]) is { Success: true } match ? match.Groups["label"].Value : null;

    /// <summary>Behind the label may stand which part of a split file it is.</summary>
    [
        GeneratedRegex(
            @"(^|[-._/])(?<label>(UD-)?(I?Q|TQ)\d+(_[A-Z0-9]+)*|BF16|F16|FP16|F32|FP32|MXFP4(_[A-Z]+)*)(-\d{5}-of-\d{5})?$",
            RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.IgnoreCase,
            matchTimeoutMilliseconds: 1000),
    ]
    private static partial Regex Label();
}
