using LlmEmbed.Data;
using LlmEmbed.Files;

namespace LlmEmbed.Jobs;

/// <summary>Finds the files that a job is asked to read.</summary>
internal static class JobInputs
{
    private static readonly char[] PatternCharacters = ['*', '?'];

    /// <summary>The files of files, folders and patterns, each in the order of the paths, and none twice.</summary>
    /// <exception cref="LlmEmbedException">One of them leads to no file, or two lead to the same.</exception>
    public static IReadOnlyList<string> Find(IReadOnlyList<string> inputs)
    {
        if (inputs.Count == 0) throw new LlmEmbedException("No input was given, expected at least one file, folder or pattern.");
        string[] files = [.. inputs.SelectMany(FilesOf)];
        HashSet<string> seen = new(StringComparer.Ordinal);
        if (Array.Find(files, file => !seen.Add(Path.GetFullPath(file))) is string twice)
            throw FileProblem.In(twice, "the file is named twice among the inputs, so that its rows would be computed twice. Name it once.");
        return files;
    }

    private static string[] FilesOf(string input)
    {
        if (File.Exists(input)) return [input];
        if (Directory.Exists(input))
        {
            string[] tables = [.. Directory.EnumerateFiles(input, "*", SearchOption.AllDirectories).Where(IsTable).Order(StringComparer.Ordinal)];
            return tables.Length > 0
                ? tables
                : throw FileProblem.In(input, "there is no table in this folder (csv, tsv, jsonl, parquet or txt, also .gz and .zst).");
        }
        if (input.IndexOfAny(PatternCharacters) < 0) throw FileProblem.Missing(input);
        string[] matches = [.. Matching(input).Order(StringComparer.Ordinal)];
        return matches.Length > 0 ? matches : throw FileProblem.In(input, "no file matches this pattern.");
    }

    /// <summary>
    /// Whether a file of a folder is a table. Names that begin with a point or an underline are those of programs, such as _SUCCESS.
    /// </summary>
    private static bool IsTable(string path) => Path.GetFileName(path) is not ['.' or '_', ..] && TableFormat.TryFromPath(path) is not null;

    /// <summary>The files that a pattern names: * and ? stand for characters of a name, ** for any folders.</summary>
    private static IEnumerable<string> Matching(string pattern)
    {
        string[] parts = pattern.Split('/', '\\');
        return pattern.StartsWith('/') ? Matching("/", parts.AsMemory(1)) : Matching("", parts);
    }

    private static IEnumerable<string> Matching(string folder, ReadOnlyMemory<string> parts)
    {
        string part = parts.Span[0], here = folder.Length > 0 ? folder : ".";
        if (part.IndexOfAny(PatternCharacters) < 0) return Below(part);
        if (!Directory.Exists(here)) return [];
        IEnumerable<string> NamesOf(IEnumerable<string> paths) => paths.Select(path => Path.GetFileName(path)!);
        if (part == "**")
            return NamesOf(Directory.EnumerateDirectories(here)).SelectMany(name => Matching(Path.Combine(folder, name), parts))
                .Concat(parts.Length > 1 ? Matching(folder, parts[1..]) : []);
        return NamesOf(Directory.EnumerateFileSystemEntries(here, part)).SelectMany(Below);

        IEnumerable<string> Below(string name)
        {
            string path = Path.Combine(folder, name);
            return parts.Length > 1 ? Matching(path, parts[1..]) : File.Exists(path) ? [path] : [];
        }
    }
}
