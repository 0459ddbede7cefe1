namespace LlmEmbed.Reading;

/// <summary>
/// Fused features [N,F], row after row. They are read in blocks of rows, so that they may lie in a mapped file that is larger than the memory.
/// </summary>
internal abstract class FeatureMatrix(int rows, int columns) : IDisposable
{
    public int Rows { get; } = rows;

    public int Columns { get; } = columns;

    /// <summary>
    /// [count,F]: the rows from <paramref name="first"/> to <paramref name="first"/> + <paramref name="count"/> - 1, without a copy.
    /// </summary>
    public abstract Memory<float> Block(int first, int count);

    /// <summary>[F], a row to be read.</summary>
    public ReadOnlySpan<float> Row(int row) => RowTarget(row);

    /// <summary>[F], a row to be written.</summary>
    public Span<float> RowTarget(int row) => Block(row, 1).Span;

    public abstract void Dispose();

    /// <summary>The chosen rows, copied.</summary>
    public FeatureMatrix Select(ReadOnlySpan<int> rows)
    {
        FeatureMatrix selected = Allocate(rows.Length, Columns);
        for (int i = 0; i < rows.Length; i++) Row(rows[i]).CopyTo(selected.RowTarget(i));
        return selected;
    }

    /// <summary>The columns where the chosen views stand, copied, in the given order.</summary>
    public FeatureMatrix Select(IReadOnlyList<FeatureView> views)
    {
        int width = views.Sum(view => view.Size);
        FeatureMatrix selected = Allocate(Rows, width);
        for (int row = 0; row < Rows; row++)
        {
            ReadOnlySpan<float> source = Row(row);
            Span<float> target = selected.RowTarget(row);
            foreach (FeatureView view in views)
            {
                source.Slice(view.Offset, view.Size).CopyTo(target);
                target = target[view.Size..];
            }
        }
        return selected;
    }

    /// <summary>Another matrix, kept where this one is.</summary>
    public virtual FeatureMatrix Allocate(int rows, int columns) => new ArrayFeatures(new float[checked(rows * columns)], rows, columns);
}

/// <summary>Features in memory.</summary>
internal sealed class ArrayFeatures : FeatureMatrix
{
    private readonly Memory<float> _values;

    public ArrayFeatures(Memory<float> values, int rows, int columns)
        : base(rows, columns)
    {
        if (values.Length != checked(rows * columns))
            throw new ArgumentException($"{values.Length} values are not {rows} rows of {columns}.", nameof(values));
        _values = values;
    }

    public override Memory<float> Block(int first, int count) => _values.Slice(checked(first * Columns), count * Columns);

    public override void Dispose()
    {
    }
}
