namespace LlmEmbed.Data;

/// <summary>Where a row lies in its file, so that the file can be read from it onwards.</summary>
/// <param name="Row">The rows of the file before it, with those that cannot be read.</param>
/// <param name="LineNumber">Its <see cref="TableRow.LineNumber"/>.</param>
/// <param name="Offset">Its <see cref="TableRow.Offset"/>.</param>
internal readonly record struct TablePosition(long Row, long LineNumber, long Offset);
