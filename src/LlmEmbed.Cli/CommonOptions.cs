using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text.Json;
using LlmEmbed.Data;
using LlmEmbed.Reading;

namespace LlmEmbed.Cli;

/// <summary>Options that several commands share, and what they mean in the library's terms.</summary>
internal static class CommonOptions
{
    public const string BackboneNames =
        "a name under models/, a checkpoint folder, a .gguf file, or org/name[@revision] on the Hugging Face Hub, which is downloaded if it is not " +
        "in the cache. org/name:Q8_0 or org/name/FILE.gguf, with or without @revision, is one GGUF file there.";

    public static Option<string[]> Backbones() => new("--backbone")
    {
        Description = "Frozen model: " + BackboneNames + " Repeat it to fuse several. Default: both starter backbones.",
        HelpName = "NAME|DIR|FILE.gguf",
    };

    public static Option<string> Backbone() => new("--backbone")
    {
        Description = "Frozen model: " + BackboneNames,
        HelpName = "NAME|DIR|FILE.gguf",
        Required = true,
    };

    public static Option<string?> Depths() => new("--depths")
    {
        Description = "Depths to keep: numbers (0 = embeddings, L = last), -1 from the end, 50% of the blocks, last5, all; comma-separated. " +
            "Default: from the middle of the network.",
        HelpName = "LIST",
    };

    public static Option<IReadOnlyList<Pooling>?> Poolings() => new("--pooling")
    {
        Description = "Poolings, comma-separated: " +
            $"{string.Join("; ", LlmEmbed.Reading.Poolings.Known.Select(kind => $"{kind.Name}: {kind.Description}"))}.",
        HelpName = "LIST",
        Arity = ArgumentArity.ExactlyOne,
        CustomParser = Parser<IReadOnlyList<Pooling>?>(value =>
            value.Split(
                ',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(LlmEmbed.Reading.Poolings.Parse).ToArray()),
    };

    public static Option<int?> MaxTokens() => Count(
        "--max-tokens", "N", "Longest input in tokens, special tokens included; longer texts lose their end and are counted. Default: 256 or the " +
        "model's limit; for the pooling 'sentence' the limit of its repository.");

    public static Option<string?> Prompt() => new("--prompt")
    {
        Description = "Text around each text, e.g. 'Review: {text}\\nSentiment:' (\\n is a new line). Long texts lose their end, never the prompt. " +
            "Without {text} it stands before the text, as in sentence-transformers. " +
            "train also knows {labels}, the classes, and 'auto' for a prompt that lists them, and tries decoders with and without it. Default: " +
            "none, but see --prompt-name; '' is none at all.",
        HelpName = "…{text}…|TEXT",
        CustomParser = Parser(value => (string?)value.Replace("\\n", "\n", StringComparison.Ordinal)),
    };

    public static Option<string?> PromptName() => new("--prompt-name")
    {
        Description = "Name of one of the prompts of a sentence-transformers repository, which stands before each text ('inspect' lists them). " +
            "Default for the pooling 'sentence': the repository's default prompt, in train the one named Classification if there is one.",
        HelpName = "NAME",
    };

    public static Option<int?> PadTo() =>
        Count("--pad-to", "N", "Pad every text to N tokens, for the released LLMEmbed recipe (with --pooling mean-with-pads).");

    public static Option<string?> Cache() => new("--cache")
    {
        Description = "Folder that keeps embeddings, so that nothing is computed twice and interrupted runs resume; 'none' keeps nothing. " +
            $"Default: {DefaultCache ?? "none, since no home folder is known"}.",
        HelpName = "DIR|none",
    };

    public static Option<string[]> ModelFolders() => new("--models")
    {
        Description = "Folder in which backbones are looked for by name, before the usual places. May be repeated.",
        HelpName = "DIR",
    };

    public static Option<IReadOnlyList<string>?> AcceptConfigKeys() => new("--accept-config-keys")
    {
        Description = "Keys of a backbone's config.json, comma-separated, that are passed over. Without it a key is refused if it is not known and " +
            "its name speaks of what a model computes. A saved classifier records them.",
        HelpName = "KEY[,KEY]",
        Arity = ArgumentArity.ExactlyOne,
        CustomParser = Parser<IReadOnlyList<string>?>(
            value => value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)),
    };

    public static Option<bool> NoWords() => new("--no-words")
    {
        Description = "Keep to hidden states. By default a regression on words and pairs of words is one of the experts that are mixed.",
    };

    public static Option<bool> NoAttention() => new("--no-attention")
    {
        Description = "Keep to poolings that are fixed. By default poolings whose weights of tokens are learned, at several depths of each " +
            "backbone, are among the experts that are mixed; the tokens' states take up to 2 GiB of memory and of the cache.",
    };

    public static Option<TimeSpan?> Budget() => Time(
        "--budget",
        "Time to get along with, e.g. 90s, 5m or 1h: fewer texts and fewer blocks are read where all would take longer. Default: what it takes.");

    /// <summary>A time such as 90s.</summary>
    public static Option<TimeSpan?> Time(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "TIME",
        CustomParser = Parser<TimeSpan?>(value => ParseTime(name, value)),
    };

    public static Option<long?> Memory() => Size(
        "--memory", "Memory to get along with, e.g. 4GB: backbones that need more are loaded block by block. Default: what the backbone needs.");

    /// <summary>A number of bytes such as 4GB.</summary>
    public static Option<long?> Size(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "SIZE",
        CustomParser = Parser<long?>(value => ParseSize(name, value)),
    };

    public static Option<bool> Offline() => new("--offline")
    {
        Description = "Download nothing: a model that is neither here nor in the Hugging Face cache is an error. HF_HUB_OFFLINE=1 says the same.",
    };

    public static Option<int?> Threads() => Count(
        "--threads", "N", "Threads of the engine. Default: what Slurm gave to the task, else one for each physical core.");

    public static Option<string?> TextColumn() =>
        new("--text-column") { Description = "Column that holds the text. Default: text, sentence, content or review.", HelpName = "NAME" };

    public static Option<string?> LabelColumn() =>
        new("--label-column") { Description = "Column that holds the label. Default: label, class, category or target.", HelpName = "NAME" };

    public static Option<TableFormat?> Format(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "FORMAT",
        CustomParser = Parser<TableFormat?>(value => TableFormat.Parse(value)),
    };

    public static Option<HeadOptions?> Head() => new("--head")
    {
        Description = "linear (logistic regression), mlp, cooccurrence (LLMEmbed's head), nearest-mean, or auto: a mixture of regressions, learned " +
            "poolings and words, with weights that suit unseen training texts. Default: auto.",
        HelpName = string.Join('|', HeadOptions.ByName.Keys),
        CustomParser = Parser(value => HeadOptions.ByName.GetValueOrDefault(value)
            ?? throw new LlmEmbedException($"--head is '{value}', expected {string.Join(" or ", HeadOptions.ByName.Keys)}.")),
    };

    public static Option<FusionOperators?> Fusion() => new("--fusion")
    {
        Description = "How the co-occurrence head (also of the reference recipes) fuses views: cooccurrence, mean, max, concat, or several joined " +
            "by +. Default: cooccurrence.",
        HelpName = "A+B",
        CustomParser = Parser<FusionOperators?>(value => ParseFusion(value)),
    };

    public static Option<bool> SkipBadRows() =>
        new("--skip-bad-rows")
        {
            Description = "Leave out rows without text or label, rows that cannot be read, and classes with one example, and count them.",
        };

    /// <summary>For commands that measure on texts beside those of the training.</summary>
    public static Option<bool> SkipOverlap() => new("--skip-overlap")
    {
        Description = "Measure without texts that also are training texts, are part of one, or contain one (case, punctuation and space do not " +
            "count).",
    };

    public static Option<int?> Examples() => Count("--examples", "N", "Train on a sample of N examples, the classes in their shares. Default: all.");

    public static Option<string?> Report() =>
        new("--report") { Description = "Also write what was measured as a self-contained HTML page.", HelpName = "FILE.html" };

    public static Option<bool> Json() => new("--json") { Description = "Print one JSON object on standard output instead of text." };

    /// <summary>Where embeddings are kept unless told otherwise: the user's cache folder. Null if no such folder is known.</summary>
    public static string? DefaultCache
    {
        get
        {
            // A relative path counts as none, as the convention for this variable demands: it would make a folder wherever the tool is started.
            string?[] places =
            [
                Environment.GetEnvironmentVariable("XDG_CACHE_HOME"),
                HomeFolder is { Length: > 0 } home ? Path.Combine(home, ".cache") : null,
            ];
            return places.FirstOrDefault(place => place is not null && Path.IsPathFullyQualified(place)) is string cache
                ? Path.Combine(cache, "llmembed")
                : null;
        }
    }

    private static string? HomeFolder => OperatingSystem.IsWindows()
        ? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile)
        : Environment.GetEnvironmentVariable("HOME");

    /// <summary>Finds the texts that are empty to the backbones of a recipe, which are opened for it, and downloaded if need be.</summary>
    public static Func<IReadOnlyList<string>, IReadOnlyList<int>> EmptyTextsOf(
        Terminal terminal, Recipe recipe, OpenBackbones backbones, CancellationToken cancellationToken) =>
        texts => ConsoleProgress.Show(
            terminal, progress => TextClassifier.FindEmptyTexts(texts, recipe, backbones, progress, cancellationToken));

    /// <summary>A whole number of at least 1.</summary>
    public static Option<int?> Count(string name, string helpName, string description) => new(name)
    {
        Description = description,
        HelpName = helpName,
        CustomParser = Parser<int?>(value => int.TryParse(value, out int count) && count >= 1
            ? count
            : throw new LlmEmbedException($"{name} is '{value}', expected a whole number of at least 1.")),
    };

    private static FusionOperators ParseFusion(string value)
    {
        string[] known = [.. Enum.GetValues<FusionOperators>().Select(NameOf)], parts = value.Split('+', StringSplitOptions.TrimEntries);
        if (parts.Except(known, StringComparer.Ordinal).Any())
            throw new LlmEmbedException($"--fusion is '{value}', expected one or several of {string.Join(", ", known.Skip(1))}, joined by +.");
        return parts.Select(part => Enum.GetValues<FusionOperators>()[Array.IndexOf(known, part)]).Aggregate((fusion, part) => fusion | part);
    }

    /// <summary>"4GB", "500 MB".</summary>
    private static long? ParseSize(string option, string value)
    {
        (string Unit, double Bytes)[] units = [("GB", 1e9), ("MB", 1e6)];
        foreach ((string unit, double bytes) in units)
            if (NumberBefore(unit, value, StringComparison.OrdinalIgnoreCase) is { } number) return (long)(number * bytes);
        throw new LlmEmbedException($"{option} is '{value}', expected a size such as 4GB or 800MB.");
    }

    /// <summary>The number above 0 before a unit; null if the value is something else.</summary>
    private static double? NumberBefore(string unit, string value, StringComparison comparison)
    {
        if (!value.EndsWith(unit, comparison)) return null;
        const NumberStyles Style = NumberStyles.AllowDecimalPoint | NumberStyles.AllowTrailingWhite;
        return double.TryParse(value.AsSpan()[..^unit.Length], Style, CultureInfo.InvariantCulture, out double number) && number > 0 ? number : null;
    }

    /// <summary>"90s", "5m", "1.5h".</summary>
    private static TimeSpan? ParseTime(string option, string value)
    {
        (string Unit, double Seconds)[] units = [("s", 1), ("m", 60), ("h", 3600)];
        foreach ((string unit, double seconds) in units)
            if (NumberBefore(unit, value, StringComparison.Ordinal) is < 1e6 and var number) return TimeSpan.FromSeconds(number * seconds);
        throw new LlmEmbedException($"{option} is '{value}', expected a time such as 90s, 5m or 1h.");
    }

    /// <summary>One of the members of an enumeration, by its name in lower case, words joined by hyphens.</summary>
    public static Option<T> Choice<T>(string name, string description)
        where T : struct, Enum
    {
        string[] known = [.. Enum.GetValues<T>().Select(NameOf)];
        return new(name)
        {
            Description = description,
            HelpName = string.Join('|', known),
            CustomParser = Parser(value => Array.IndexOf(known, value) is >= 0 and int index
                ? Enum.GetValues<T>()[index]
                : throw new LlmEmbedException($"{name} is '{value}', expected {string.Join(" or ", known)}.")),
        };
    }

    /// <summary>A member of an enumeration as the command line writes it.</summary>
    public static string NameOf<T>(T member)
        where T : struct, Enum => JsonNamingPolicy.KebabCaseLower.ConvertName(member.ToString());

    /// <summary>Makes a value that cannot be read an error of the command line, which ends with its own exit code.</summary>
    public static Func<ArgumentResult, T?> Parser<T>(Func<string, T> parse) => argument =>
    {
        try
        {
            return parse(argument.Tokens.Single().Value);
        }
        catch (LlmEmbedException exception)
        {
            argument.AddError(exception.Message);
            return default;
        }
    };
}
