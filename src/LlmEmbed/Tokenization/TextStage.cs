using System.Runtime.InteropServices;

namespace LlmEmbed.Tokenization;

/// <summary>
/// One step on the way from text to ids. The steps form a chain that ends in the model. Each hands the parts of its text on as it finds them, so
/// nothing is collected in between, and a long text ends as soon as there are enough ids. Steps keep no state of a text and serve many threads.
/// </summary>
internal abstract class TextStage
{
    /// <param name="text">Well-formed UTF-16, not empty.</param>
    /// <param name="isTextStart">Whether this part begins where the user's text begins, which the pre-tokenizer Metaspace may need to know.</param>
    /// <param name="ids">Where the ids go.</param>
    public abstract void Process(ReadOnlySpan<char> text, bool isTextStart, IdSink ids);
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
