namespace LlmEmbed.Tokenization;

/// <summary>Strings, each with a value, that are found at the front of a text in one walk over its characters.</summary>
internal sealed class CharTrie
{
    private const int None = -1;

    private readonly Dictionary<(int Node, char Next), int> _children = [];
    private readonly List<int> _values = [None];

    /// <summary>Adds a string, or replaces the value of a string that is there.</summary>
    /// <param name="text">Not empty.</param>
    /// <param name="value">0 or more.</param>
    public void Add(ReadOnlySpan<char> text, int value)
    {
        int node = 0;
        foreach (char next in text)
        {
            if (!_children.TryGetValue((node, next), out int child))
            {
                child = _values.Count;
                _values.Add(None);
                _children.Add((node, next), child);
            }
            node = child;
        }
        _values[node] = value;
    }

    /// <summary>The longest string with which <paramref name="text"/> begins.</summary>
    public bool TryMatchLongest(ReadOnlySpan<char> text, out int length, out int value)
    {
        (length, value) = (0, None);
        foreach ((int prefix, int found) in Prefixes(text)) (length, value) = (prefix, found);
        return length > 0;
    }

    /// <summary>All strings with which <paramref name="text"/> begins, the shortest first.</summary>
    public PrefixEnumerator Prefixes(ReadOnlySpan<char> text) => new(this, text);

    public ref struct PrefixEnumerator(CharTrie trie, ReadOnlySpan<char> text)
    {
        private readonly ReadOnlySpan<char> _text = text;
        private int _node;
        private int _length;

        public readonly (int Length, int Value) Current => (_length, trie._values[_node]);

        public readonly PrefixEnumerator GetEnumerator() => this;

        public bool MoveNext()
        {
            while (_length < _text.Length && trie._children.TryGetValue((_node, _text[_length]), out _node))
            {
                _length++;
                if (trie._values[_node] != None) return true;
            }
            _length = _text.Length;
            return false;
        }
    }
}
