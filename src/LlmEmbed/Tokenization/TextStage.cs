using System.Runtime.InteropServices;

namespace LlmEmbed.Tokenization;

/// <summary>
/// One step on the way from text to ids. The steps form a chain that ends in the model. Each hands the parts of its text on as it finds them, so
/// nothing is collected in between, and a long text ends as soon as there are enough ids. Steps keep no state of a text and serve many threads.
/// </summary>
internal abstract class TextStage
{
    /// <param name="text">Well-formed UTF-16, not empty.</param>
    /// <param name="atStart">
    /// How many UTF-16 units at the front come from the first character of the user's text, which the pre-tokenizer Metaspace may need to know. It is
    /// 0 if the part begins behind that character, also if a normalizer has removed the character.
    /// </param>
    /// <param name="ids">Where the ids go.</param>
    public abstract void Process(ReadOnlySpan<char> text, int atStart, IdSink ids);

    /// <summary>What <paramref name="atStart"/> of a text is for a part of it.</summary>
    protected static int StartWithin(int atStart, int start, int length) => Math.Clamp(atStart - start, 0, length);
}

/// <summary>
/// Collects the ids of one text. It takes more ids than it has room for: the first of these shows that the text was too long.
/// </summary>
internal sealed class IdSink(int room)
{
    private readonly List<int> _ids = [];

    public bool IsFull => _ids.Count > room;

    public ReadOnlySpan<int> Kept => CollectionsMarshal.AsSpan(_ids)[..Math.Min(room, _ids.Count)];

    public void Add(int id) => _ids.Add(id);

    public void Add(ReadOnlySpan<int> ids) => _ids.AddRange(ids);
}
