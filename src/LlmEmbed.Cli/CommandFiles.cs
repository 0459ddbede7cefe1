using System.CommandLine;
using System.CommandLine.Parsing;
using LlmEmbed.Files;

namespace LlmEmbed.Cli;

/// <summary>What a command does with the path that an option or argument names.</summary>
internal enum PathRole
{
    /// <summary>A file that is read.</summary>
    Data,

    /// <summary>A backbone or a classifier: its files are read.</summary>
    Model,

    /// <summary>A folder in which models are looked for.</summary>
    Models,

    /// <summary>A folder in which the tool keeps what it may need again.</summary>
    Cache,

    /// <summary>A file that is written.</summary>
    File,

    /// <summary>A file that is written as standard output would be, where that is the same.</summary>
    Stream,

    /// <summary>A folder into which pictures are written.</summary>
    Pictures,

    /// <summary>A folder into which files are written that are not there yet; none is replaced.</summary>
    Additions,

    /// <summary>A folder that is replaced by one with a classifier.</summary>
    Classifier,
}

/// <summary>
/// The paths of a command, each with what is done with it, and the check that all commands make before they open anything: no output is one of the
/// inputs, and no two outputs are the same. Files are compared by what they are and not by the text of their paths.
/// </summary>
internal sealed class CommandFiles(Terminal terminal)
{
    private readonly List<(Symbol Symbol, PathRole Role, IReadOnlyList<string> ByDefault)> _declared = [];

    /// <summary>The options and arguments whose values are paths.</summary>
    public IEnumerable<Symbol> Declared => _declared.Select(declared => declared.Symbol);

    public void Add(PathRole role, params IEnumerable<Symbol> symbols)
    {
        foreach (Symbol symbol in symbols) Add(role, symbol, byDefault: []);
    }

    /// <param name="role">What is done with the paths.</param>
    /// <param name="symbol">The option or argument that names them.</param>
    /// <param name="byDefault">The paths where it is not given.</param>
    public void Add(PathRole role, Symbol symbol, IReadOnlyList<string> byDefault) => _declared.Add((symbol, role, byDefault));

    /// <exception cref="WrongUsageException">An output is an input or another output.</exception>
    public void RefuseOverwriting(ParseResult parsed)
    {
        NamedPath[] paths =
        [
            .. from declared in _declared
               from path in ValuesOf(declared.Symbol, parsed) is { Length: > 0 } given ? given : declared.ByDefault
               where path.Length > 0 && path != StandIn(declared.Role)
               select new NamedPath(declared.Symbol.Name, path, declared.Role, Place.Of(path)),
        ];
        Input[] inputs = InputsOf(paths).ToArray();
        NamedPath[] outputs = [.. paths.Where(path => path.Role is PathRole.File or PathRole.Stream or PathRole.Pictures or PathRole.Classifier)];
        foreach (NamedPath output in outputs)
        {
            foreach (Input input in inputs) output.RefuseOver(input);
            foreach (NamedPath other in outputs.TakeWhile(other => other != output)) output.RefuseBeside(other);
        }
        RefuseStream("standard output", terminal.StreamFiles[1], inputs, [.. outputs.Where(output => output.Role != PathRole.Stream)]);
        RefuseStream("standard error", terminal.StreamFiles[2], inputs, outputs, isError: true);
    }

    /// <summary>Whether a path leads to what standard output is connected to, as /dev/stdout does.</summary>
    public static bool IsStandardOutput(Terminal terminal, string path) =>
        path == "-" || (terminal.StreamFiles[1] is { } file && FileIdentity.OfPath(path) == file);

    private IEnumerable<Input> InputsOf(NamedPath[] paths)
    {
        RuntimeOptions runtime = new() { ModelFolders = [.. paths.Where(path => path.Role == PathRole.Models).Select(path => path.Path)] };
        foreach (NamedPath path in paths)
        {
            // What is not there cannot be harmed; a cache will be there.
            if (path.Role is PathRole.Cache || (path.Role is PathRole.Data or PathRole.Model or PathRole.Models && path.Place.Exists))
                yield return new Input($"{path.Name} {path.Path}", $"the same as {path.Name} {path.Path}", path.Path, path.Place);
            if (path.Role != PathRole.Model) continue;
            foreach (string file in Inspection.FilesOf(path.Path, runtime))
                yield return new Input($"{path.Name} {path.Path}", $"a file of {path.Name} {path.Path}", file, Place.Of(file));
        }
        if (terminal.StreamFiles[0] is { IsRegularFile: true } redirected)
            yield return new Input("standard input", "the file that standard input is read from", null, new Place(redirected, ""));
    }

    private static void RefuseStream(string name, FileIdentity? file, Input[] inputs, NamedPath[] outputs, bool isError = false)
    {
        if (file is not { IsRegularFile: true } redirected) return;
        Place place = new(redirected, "");
        string? same = Array.Find(inputs, input => input.Place == place)?.What
            ?? (Array.Find(outputs, output => output.Place == place) is { } output ? $"the same as {output.Name} {output.Path}" : null);
        if (same is not null)
            throw new WrongUsageException($"{name} is {same}; send it to another file, so that yours is not overwritten.")
            {
                IsErrorUnusable = isError,
            };
    }

    private static string[] ValuesOf(Symbol symbol, ParseResult parsed) =>
        [.. (parsed.GetResult(symbol) switch { OptionResult option => option.Tokens, ArgumentResult argument => argument.Tokens, _ => [] })
            .Select(token => token.Value)];

    /// <summary>A word that stands where a path could and is none.</summary>
    private static string? StandIn(PathRole role) => role switch
    {
        PathRole.Data or PathRole.Stream => "-",
        PathRole.Cache => "none",
        _ => null,
    };

    /// <summary>Something that is read and must stay as it is.</summary>
    /// <param name="Name">How the command line names it.</param>
    /// <param name="What">What an output is that is the same file.</param>
    /// <param name="Path">Null for standard input.</param>
    /// <param name="Place">Where it is.</param>
    private sealed record Input(string Name, string What, string? Path, Place Place);

    private sealed record NamedPath(string Name, string Path, PathRole Role, Place Place)
    {
        private const string Remedy = "name another one, so that your files are not overwritten.";

        public void RefuseOver(Input input)
        {
            bool isSame = Role == PathRole.Pictures ? WritesPicture(input.Place) : input.Place == Place;
            if (isSame && input.Place.CanBeHarmed) throw new WrongUsageException($"{Name} {Path} is {input.What}; {Remedy}");
            if (Role == PathRole.Classifier && input.Path is not null && Place.AreAbove(input.Path).Contains(Place))
                throw new WrongUsageException($"{Name} {Path} is replaced as a whole and holds {input.Path} ({input.Name}); {Remedy}");
        }

        public void RefuseBeside(NamedPath other)
        {
            bool areFolders = IsFolder && other.IsFolder;
            if (Place == other.Place && Place.CanBeHarmed && !areFolders)
                throw new WrongUsageException($"{Name} {Path} is the same as {other.Name} {other.Path}; name another one for each.");
            if (IsFolder == other.IsFolder) return;
            if (IsFolder) other.RefuseWithin(this);
            else RefuseWithin(other);
        }

        private bool IsFolder => Role is PathRole.Pictures or PathRole.Classifier;

        private void RefuseWithin(NamedPath folder)
        {
            if (folder.Role == PathRole.Classifier) RefuseWithinClassifier(folder);
            else if (folder.WritesPicture(Place) || (IsPicture(Path) && Place.AreAbove(Path).First() == folder.Place))
                throw new WrongUsageException($"{Name} {Path} may be one of the pictures in {folder.Name} {folder.Path}; name another one.");
        }

        /// <summary>A page may lie beside the classifier, also in place of its own page, which says the same. Folders in it do not last.</summary>
        private void RefuseWithinClassifier(NamedPath classifier)
        {
            const string Page = ".html";
            IEnumerable<string> others = TextClassifier.FilesIn(classifier.Path).Where(file => !file.EndsWith(Page, StringComparison.Ordinal));
            if (others.Any(file => Place.Of(file) == Place))
                throw new WrongUsageException($"{Name} {Path} is a file of the classifier in {classifier.Name} {classifier.Path}; name another one.");
            Place[] above = [.. Place.AreAbove(Path)];
            if (above[0] != classifier.Place && above.Contains(classifier.Place))
                throw new WrongUsageException($"{Name} {Path} lies in a folder that {classifier.Name} {classifier.Path} replaces; name another one.");
        }

        /// <summary>Whether a file is one of the pictures that may be replaced in this folder.</summary>
        private bool WritesPicture(Place file) => file == Place
            ? file.Existing is not { IsFolder: true }
            : Directory.Exists(Path) && Directory.EnumerateFiles(Path).Any(picture => IsPicture(picture) && Place.Of(picture) == file);

        private static bool IsPicture(string path) => path.EndsWith(".svg", StringComparison.OrdinalIgnoreCase);
    }
}

/// <summary>Where a path leads, whether something is there or not.</summary>
/// <param name="Existing">The file, or the nearest folder above it that exists.</param>
/// <param name="Missing">The names below that folder; empty if the file exists.</param>
internal readonly record struct Place(FileIdentity? Existing, string Missing)
{
    public static Place Of(string path)
    {
        string existing = Target(path), missing = "";
        for (; FileIdentity.OfPath(existing) is null; existing = Path.GetDirectoryName(existing)!)
        {
            missing = Path.Combine(Path.GetFileName(existing), missing);
            if (Path.GetDirectoryName(existing) is null) return new Place(null, Spelled(path));
        }
        return new Place(FileIdentity.OfPath(existing), Spelled(missing));
    }

    /// <summary>The folders in which something lies, the nearest first: those of the path, then those of the file to which it leads.</summary>
    public static IEnumerable<Place> AreAbove(string path)
    {
        foreach (string start in new[] { Absolute(path), Target(path) }.Distinct(StringComparer.Ordinal))
            for (string? folder = Path.GetDirectoryName(start); folder is not null; folder = Path.GetDirectoryName(folder))
                yield return Of(folder);
        // Where folders are linked, those above a folder are others than those that the path names.
        if (OperatingSystem.IsWindows()) yield break;
        string above = Path.GetDirectoryName(Target(path)) ?? "/";
        for (FileIdentity? last = null, next = FileIdentity.OfPath(above); next is not null && next != last;)
        {
            yield return new Place(next, "");
            above += "/..";
            (last, next) = (next, FileIdentity.OfPath(above));
        }
    }

    public bool Exists => Existing is not null && Missing.Length == 0;

    /// <summary>False for a pipe or a device, which may be named twice.</summary>
    public bool CanBeHarmed => Existing is not { IsRegularFile: false, IsFolder: false };

    private static string Absolute(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));

    private static string Target(string path) => FileIdentity.Follow(Absolute(path));

    private static string Spelled(string names) => OperatingSystem.IsLinux() ? names : names.ToUpperInvariant();
}
