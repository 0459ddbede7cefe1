using System.Globalization;
using System.Net;
using System.Text;
using LlmEmbed.Evaluation;

namespace LlmEmbed.Reports;

/// <summary>What pages and drawings write: escaped text and numbers in the invariant culture.</summary>
internal static class Markup
{
    /// <summary>Text from data as HTML and XML can hold it: characters that XML forbids are replaced.</summary>
    public static string Escape(string text)
    {
        bool IsForbidden(char c) => (c < ' ' && c is not ('\t' or '\n' or '\r')) || c is '\uFFFE' or '\uFFFF';
        return WebUtility.HtmlEncode(text.Any(IsForbidden) ? string.Concat(text.Select(c => IsForbidden(c) ? '\uFFFD' : c)) : text);
    }

    /// <summary>At most so many characters, the last of them then an ellipsis.</summary>
    public static string Shorten(string text, int length)
    {
        if (text.Length <= length) return text;
        int kept = length - 1;
        if (char.IsHighSurrogate(text[kept - 1])) kept--;
        return text[..kept].TrimEnd() + "…";
    }

    public static string Percent(double share) => Format(100 * share, "0.0") + " %";

    public static string Percent(Interval interval) => $"{Format(100 * interval.Low, "0.0")} to {Percent(interval.High)}";

    public static string Format(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    public static string Count(double value) => Format(value, "N0");

    public static StringBuilder AppendMarkup(this StringBuilder builder, FormattableString markup) =>
        builder.Append(markup.ToString(CultureInfo.InvariantCulture));
}
