using System.Globalization;
using LlmEmbed.Files;

namespace LlmEmbed.Data;

/// <summary>
/// Finds labels that people take for the same one: those that are equal but for case, white space, invisible characters and a final ".0", with which
/// pandas writes whole numbers of a column that has gaps.
/// </summary>
internal static class SimilarLabels
{
    private const int MostShown = 5;

    /// <summary>A note on labels of one table that are nearly equal; null if there are none.</summary>
    /// <param name="counts">The number of examples of each label.</param>
    public static TableNote? NoteOn(IReadOnlyDictionary<string, int> counts)
    {
        string[] groups =
        [
            .. counts.OrderBy(label => label.Key, StringComparer.Ordinal)
                .GroupBy(label => KeyOf(label.Key), StringComparer.Ordinal)
                .Where(group => group.Count() > 1)
                .Select(group => string.Join(", ", group.Select(label => Counted(label.Key, label.Value)))),
        ];
        return groups.Length == 0 ? null : new TableNote(
            TableNoteKind.SimilarLabels,
            $"Labels that are nearly the same are different classes: {Shown(groups, "; ")}. Write them in the same way if they mean the same.");
    }

    /// <summary>A note on labels that a classifier cannot give, since its training had no example of them; null if there are none.</summary>
    /// <param name="known">The classes of the training.</param>
    /// <param name="counts">The number of texts of each label.</param>
    /// <param name="source">The table of the texts, for the note.</param>
    public static TableNote? NoteOnUnknown(IReadOnlyList<string> known, IReadOnlyDictionary<string, int> counts, string source)
    {
        KeyValuePair<string, int>[] unknown =
        [
            .. counts.Where(label => !known.Contains(label.Key, StringComparer.Ordinal)).OrderBy(label => label.Key, StringComparer.Ordinal),
        ];
        if (unknown.Length == 0) return null;
        ILookup<string, string> knownByKey = known.ToLookup(KeyOf, StringComparer.Ordinal);
        string[] near =
        [
            .. unknown.SelectMany(label => knownByKey[KeyOf(label.Key)].Take(1).Select(other => Difference(label.Key, other))),
        ];
        string hint = near.Length == 0 ? "" : $" Differences to classes of the training: {Shown(near, "; ")}. Write the labels of both files alike.";
        return new TableNote(
            TableNoteKind.UnknownLabels,
            $"{unknown.Sum(label => label.Value):N0} of {counts.Values.Sum():N0} texts of {source} have labels that no training text has, and " +
            $"count as mistakes: {Shown([.. unknown.Select(label => Counted(label.Key, label.Value))], ", ")}.{hint}");
    }

    private static string Difference(string label, string other)
    {
        string by = label + ".0" == other || other + ".0" == label ? "by \".0\"" : "by case or space";
        return $"{Quoted(label)} and {Quoted(other)} {by}";
    }

    /// <summary>What labels that look the same have in common.</summary>
    private static string KeyOf(string label)
    {
        string visible = string.Concat(label.Where(character => !InvisibleCharacters.IsInvisible(character))).ToUpperInvariant();
        return visible.EndsWith(".0", StringComparison.Ordinal) && long.TryParse(visible[..^2], CultureInfo.InvariantCulture, out _)
            ? visible[..^2]
            : visible;
    }

    private static string Counted(string label, int count) => $"{Quoted(label)} ({count:N0})";

    private static string Quoted(string label) => $"'{InvisibleCharacters.Show(TableSource.Shorten(label))}'";

    private static string Shown(string[] items, string separator) =>
        string.Join(separator, items.Take(MostShown)) + (items.Length > MostShown ? $"{separator}and {items.Length - MostShown:N0} more" : "");
}
