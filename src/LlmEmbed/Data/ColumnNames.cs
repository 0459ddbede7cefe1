using System.Globalization;
using LlmEmbed.Files;

namespace LlmEmbed.Data;

/// <summary>Makes names of columns out of the fields of a header.</summary>
internal static class ColumnNames
{
    /// <summary>The names without white space and invisible characters around them. A column without a name is called by its number.</summary>
    /// <remarks>pandas leaves the column of its index without a name, and Excel the columns behind the last one that was used.</remarks>
    public static string[] Of(IReadOnlyList<string?> fields)
    {
        string[] names = [.. fields.Select(field => InvisibleCharacters.Trim(field ?? ""))];
        for (int column = 0; column < names.Length; column++)
        {
            if (names[column].Length > 0) continue;
            string number = $"{column + 1}";
            while (names.Contains(number, StringComparer.Ordinal)) number += "_";
            names[column] = number;
        }
        return names;
    }

    /// <summary>The first name that looks more like a text or a number than like the name of a column; null if there is none.</summary>
    public static string? LikeData(IReadOnlyList<string> names)
    {
        const int MostWords = 3;
        return names.Index().FirstOrDefault(
            column => column.Item.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length > MostWords || IsNumber(column)).Item;

        // A table without names is often written with the numbers of its columns.
        static bool IsNumber((int Index, string Name) column) =>
            double.TryParse(column.Name, CultureInfo.InvariantCulture, out double number)
            && number != column.Index && number != column.Index + 1;
    }
}
