using System.Text.RegularExpressions;
using Xunit;

namespace LlmEmbed.Tests;

/// <summary>The library's folders are rooms: each may use only the rooms below it. The README's file map is the same table.</summary>
public sealed partial class RoomsTests
{
    /// <summary>From top to bottom. The root lies above all of them.</summary>
    private static readonly string[] Rooms =
    [
        "Serving",
        "Jobs",
        "Bundles",
        "Reports",
        "Comparison",
        "Recipes",
        "Learning",
        "Reading",
        "Models",
        "Engine",
        "Tokenization",
        "Checkpoints",
        "Hub",
        "Evaluation",
        "Data",
        "Files",
    ];

    /// <summary>What a user types, built from everything; used from outside the library and by the comparison of methods only.</summary>
    private static readonly string[] Facades = ["TextClassifier", "TextEncoder"];

    [Fact]
    public void No_room_uses_one_above_it() =>
        Assert.Empty(Sources().SelectMany(ArrowsUp).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));

    [Fact]
    public void Every_folder_is_a_room_and_its_namespace_is_the_rooms()
    {
        Assert.All(Sources(), source => Assert.Contains(source.Room, (string[])["", .. Rooms]));
        Assert.All(
            Sources().Where(source => source.Room.Length > 0), source => Assert.Matches($@"(?m)^namespace LlmEmbed(\.{source.Room})?;", source.Code));
    }

    [Fact]
    public void The_readmes_file_map_lists_the_rooms_in_this_order()
    {
        string readme = File.ReadAllText(Path.Combine(Repository.Root, "README.md"));
        Assert.Equal(Rooms, MappedRoom().Matches(readme).Select(match => match.Groups["room"].Value));
    }

    /// <summary>The rooms above its own, and the façades, that a file names: by a using directive or in its code.</summary>
    private static IEnumerable<string> ArrowsUp((string Room, string Code) source)
    {
        if (source.Room.Length == 0) yield break;
        int own = Array.IndexOf(Rooms, source.Room);
        // Behind a quotation mark stands the name of a package, not of a room.
        foreach (string above in Rooms[..own])
            if (Regex.IsMatch(source.Code, $@"(?<!"")\bLlmEmbed\.{above}\b|(?<![.\w]){above}\.[A-Z]", RegexOptions.None, TimeSpan.FromSeconds(5)))
                yield return $"{source.Room} → {above}";
        if (source.Room == "Comparison") yield break;
        foreach (string facade in Facades)
            if (Regex.IsMatch(source.Code, $@"\b{facade}\b", RegexOptions.None, TimeSpan.FromSeconds(5))) yield return $"{source.Room} → {facade}";
    }

    /// <summary>Every source file of the library, without comments.</summary>
    private static IEnumerable<(string Room, string Code)> Sources()
    {
        string library = Path.Combine(Repository.Root, "src", "LlmEmbed");
        foreach (string path in Directory.EnumerateFiles(library, "*.cs", SearchOption.AllDirectories))
        {
            string[] parts = Path.GetRelativePath(library, path).Split(Path.DirectorySeparatorChar);
            if (parts[0] is "bin" or "obj") continue;
            yield return (parts.Length > 1 ? parts[0] : "", Comment().Replace(File.ReadAllText(path), ""));
        }
    }

    [GeneratedRegex(@"//.*$", RegexOptions.Multiline, matchTimeoutMilliseconds: 5000)]
    private static partial Regex Comment();

    [GeneratedRegex(@"^\| `src/LlmEmbed/(?<room>\w+)`", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
    private static partial Regex MappedRoom();
}
