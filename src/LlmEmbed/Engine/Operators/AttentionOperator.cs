using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace LlmEmbed.Engine;

/// <summary>What an attention's operator has to know beside its values.</summary>
/// <param name="Heads">Heads of the queries.</param>
/// <param name="KeyValueHeads">Heads of the keys and values, each of which serves as many heads of queries as the others.</param>
/// <param name="HeadSize">d, the channels of a head. An even number if there are rotary positions.</param>
/// <param name="Scale">What scores are multiplied by.</param>
internal readonly record struct AttentionShape(int Heads, int KeyValueHeads, int HeadSize, float Scale)
{
    /// <summary>Whether a token sees itself and the tokens before it only.</summary>
    public bool IsCausal { get; init; }

    /// <summary>
    /// Whether queries and keys are turned by their positions. The operator then reads tables of cosines and sines. Their width is half of r, the
    /// first channels of each head, which are turned; the channels behind those stay as they are.
    /// </summary>
    public bool IsRotary { get; init; }

    /// <summary>
    /// A token sees tokens whose distance from it is less than this, itself being at distance 0: tokens before it and, unless the attention is
    /// causal, tokens behind it. 0 stands for any distance.
    /// </summary>
    public int Window { get; init; }

    /// <summary>
    /// Whether a number that depends on the head and on the distance of key and query is added to each score. The operator then reads a table of
    /// them.
    /// </summary>
    public bool HasDistanceBias { get; init; }

    /// <summary>P, tokens before each text whose keys and values are given.</summary>
    public int PrefixLength { get; init; }

    /// <summary>c, which scores come no further from zero than: a score s becomes c·tanh(s/c). 0 leaves them as they are.</summary>
    public float ScoreCap { get; init; }

    /// <summary>Channels of all heads of the queries.</summary>
    public int Width => Heads * HeadSize;

    /// <summary>Channels of all heads of the keys, and of those of the values.</summary>
    public int KeyValueWidth => KeyValueHeads * HeadSize;

    /// <summary>The index of the first key that a text's token sees.</summary>
    /// <param name="token">The token's place in its text.</param>
    /// <param name="keys">All keys: those of the prefix, then those of the text.</param>
    public int FirstKey(int token, int keys) => Window > 0 ? Math.Clamp(PrefixLength + token - Window + 1, 0, keys - 1) : 0;

    /// <summary>The index behind the last key that a text's token sees.</summary>
    /// <param name="token">The token's place in its text.</param>
    /// <param name="keys">All keys: those of the prefix, then those of the text.</param>
    public int EndOfKeys(int token, int keys)
    {
        int position = PrefixLength + token;
        return IsCausal ? Math.Min(keys, position + 1) : Window > 0 ? Math.Min(keys, position + Window) : keys;
    }

    /// <summary>As a vector that goes through the graph; whole numbers of this size are exact in fp32.</summary>
    public float[] ToVector() =>
        [Heads, KeyValueHeads, HeadSize, Scale, IsCausal ? 1 : 0, IsRotary ? 1 : 0, Window, PrefixLength, HasDistanceBias ? 1 : 0, ScoreCap];

    /// <summary>The shape that <see cref="ToVector"/> wrote.</summary>
    public static AttentionShape Of(ReadOnlySpan<float> vector) => new((int)vector[0], (int)vector[1], (int)vector[2], vector[3])
    {
        IsCausal = vector[4] != 0,
        IsRotary = vector[5] != 0,
        Window = (int)vector[6],
        PrefixLength = (int)vector[7],
        HasDistanceBias = vector[8] != 0,
        ScoreCap = vector[9],
    };
}

/// <summary>
/// Attention over texts of tens to hundreds of tokens. ONNX Runtime's own operator makes several passes over memory before and after its products,
/// which take longer than the products. Here the keys and values of one head of one text are copied once, in the order in which they are read, into
/// memory that the processor's cache holds, and eight queries at a time go over them. A token sees its own text and the prefix only, so that a text's
/// result depends neither on the other texts of its batch nor on padding nor on the number of threads.
/// </summary>
internal static unsafe class AttentionOperator
{
    /// <summary>Multiplications that a thread is given at once: some ten microseconds of work.</summary>
    private const int ProductsPerTask = 500_000;

    /// <summary>
    /// If there are fewer units of work than this, each head of queries is a unit of its own, so that all threads have work until the end.
    /// </summary>
    private const int FewUnits = 16;

    private const int Lanes = 16, TileRows = 8;

    [ThreadStatic]
    private static float[]? t_scratch;

    /// <summary>
    /// (query [B,T,heads·d], key [B,T,kv·d], value, their biases side by side, cos [positions,r/2], sin, tokens of each text [B], keys of the prefix
    /// [P,kv·d], values, scores by distance [heads,2·positions − 1], shape) → [B,T,heads·d].
    /// </summary>
    public static void OfParts(in RowArguments a, int begin, int end)
    {
        Rows query = new(a.Pointer(0), a.InputWidths[0]), key = new(a.Pointer(1), a.InputWidths[1]), value = new(a.Pointer(2), a.InputWidths[2]);
        Run(new Call(a, ShapeOf(a), query, key, value, null, firstShared: 3), begin, end);
    }

    /// <summary>
    /// (query, key and value side by side [B,T,(heads + 2·kv)·d], a factor for each row [B,T,1], and from the biases on as in <see cref="OfParts"/>)
    /// → [B,T,heads·d].
    /// </summary>
    public static void OfProduct(in RowArguments a, int begin, int end)
    {
        AttentionShape shape = ShapeOf(a);
        int stride = a.InputWidths[0];
        float* key = a.Pointer(0) + shape.Width;
        Rows value = new(key + shape.KeyValueWidth, stride);
        Run(new Call(a, shape, new(a.Pointer(0), stride), new(key, stride), value, a.Pointer(1), firstShared: 2), begin, end);
    }

    public static int Width(RowArguments a) => ShapeOf(a).Width;

    /// <summary>A unit of work is a head of keys and values of one text, with the heads of queries that use it.</summary>
    public static (int Units, int PerTask) Units(RowArguments a)
    {
        AttentionShape shape = ShapeOf(a);
        int group = GroupOf(a, shape);
        long products = 2L * group * shape.HeadSize * a.Length * (a.Length + shape.PrefixLength);
        return (a.Texts * shape.Heads / group, (int)Math.Max(1, ProductsPerTask / products));
    }

    private static AttentionShape ShapeOf(in RowArguments a) => AttentionShape.Of(a.Vector(a.InputCount - 1));

    /// <summary>Heads of queries in a unit of work.</summary>
    private static int GroupOf(in RowArguments a, AttentionShape shape) =>
        a.Texts * shape.KeyValueHeads < FewUnits ? 1 : shape.Heads / shape.KeyValueHeads;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run(in Call call, int begin, int end)
    {
        AttentionShape shape = call.Shape;
        int group = GroupOf(call.Arguments, shape), unitsPerText = shape.Heads / group;
        Scratch scratch = new(call);
        for (int unit = begin; unit < end; unit++)
        {
            int text = unit / unitsPerText, firstHead = unit % unitsPerText * group;
            int keys = shape.PrefixLength + call.Lengths[text];
            LayOutKeysAndValues(call, scratch, text, firstHead / (shape.Heads / shape.KeyValueHeads), keys);
            for (int head = firstHead; head < firstHead + group; head++)
            {
                LayOutQueries(call, scratch, text, head);
                for (int first = 0; first < call.Length; first += TileRows) Attend(call, scratch, text, head, keys, first);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void LayOutKeysAndValues(in Call call, in Scratch scratch, int text, int head, int count)
    {
        int size = call.Shape.HeadSize, prefix = call.Shape.PrefixLength, at = head * size;
        float* keyBias = call.Biases + call.Shape.Width + at, valueBias = keyBias + call.Shape.KeyValueWidth;
        for (int token = 0; token < count; token++)
        {
            float* panel = scratch.Values + token * Lanes;
            int panelStride = scratch.MostKeys * Lanes;
            if (token < prefix)
            {
                long row = (long)token * call.Shape.KeyValueWidth + at;
                Read(call.PrefixKeys + row, scratch.Zeros, 1, size, scratch.Row, Lanes);
                Read(call.PrefixValues + row, scratch.Zeros, 1, size, panel, panelStride);
            }
            else
            {
                long row = (long)text * call.Length + token - prefix;
                Prefetch(call.Key.Of(row) + at + size, size);
                Prefetch(call.Value.Of(row) + at + size, size);
                Read(call.Key.Of(row) + at, keyBias, call.ScaleOf(row), size, scratch.Row, Lanes);
                Read(call.Value.Of(row) + at, valueBias, call.ScaleOf(row), size, panel, panelStride);
            }
            if (call.Shape.IsRotary) Rotate(scratch.Row, call, token);
            float* column = scratch.Keys + token / Lanes * size * Lanes + token % Lanes;
            for (int channel = 0; channel < size; channel++) column[channel * Lanes] = scratch.Row[channel];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void LayOutQueries(in Call call, in Scratch scratch, int text, int head)
    {
        int size = call.Shape.HeadSize;
        for (int token = 0; token < call.Length; token++)
        {
            long row = (long)text * call.Length + token;
            float* query = scratch.Queries + token * size;
            Prefetch(call.Query.Of(row) + (head + 1) * size, size);
            Read(call.Query.Of(row) + head * size, call.Biases + head * size, call.ScaleOf(row), size, query, Lanes);
            if (call.Shape.IsRotary) Rotate(query, call, call.Shape.PrefixLength + token);
            Scale(query, call.Shape.Scale, size, query);
        }
    }

    /// <summary>
    /// The attention of eight queries of a head over the keys that at least one of them sees. If there are fewer queries, the rows behind them hold
    /// old values, and nothing reads their results.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Attend(in Call call, in Scratch scratch, int text, int head, int keys, int first)
    {
        AttentionShape shape = call.Shape;
        int size = shape.HeadSize, end = Math.Min(first + TileRows, call.Length);
        int from = shape.FirstKey(first, keys) / Lanes * Lanes, to = shape.EndOfKeys(end - 1, keys);

        Multiply(
            scratch.Queries + first * size, size, scratch.Keys + from * size, size * Lanes, to - from, size, scratch.Scores, scratch.ScoreStride);
        float* sums = scratch.Row;
        for (int token = first; token < end; token++)
        {
            float* scores = scratch.Scores + (token - first) * scratch.ScoreStride;
            int firstKey = shape.FirstKey(token, keys), endOfKeys = shape.EndOfKeys(token, keys);
            if (shape.ScoreCap > 0) Cap(new Span<float>(scores + firstKey - from, endOfKeys - firstKey), shape.ScoreCap);
            if (shape.HasDistanceBias) AddDistanceBias(call, scores - from, head, shape.PrefixLength + token, firstKey, endOfKeys);
            sums[token - first] = Exponentials(scores, firstKey - from, endOfKeys - from, to - from);
        }
        float* values = scratch.Values + from * Lanes;
        Multiply(scratch.Scores, scratch.ScoreStride, values, scratch.MostKeys * Lanes, size, to - from, scratch.Outputs, scratch.OutputStride);
        for (int token = first; token < end; token++)
        {
            float* output = call.Output + ((long)text * call.Length + token) * shape.Width + head * size;
            Scale(scratch.Outputs + (token - first) * scratch.OutputStride, 1 / sums[token - first], size, output);
        }
    }

    private static void Cap(Span<float> scores, float cap)
    {
        TensorPrimitives.Divide(scores, cap, scores);
        TensorPrimitives.Tanh<float>(scores, scores);
        TensorPrimitives.Multiply(scores, cap, scores);
    }

    /// <summary>Adds to the scores of the keys from one to another what belongs to their distances, key minus query.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddDistanceBias(in Call call, float* scores, int head, int position, int firstKey, int endOfKeys)
    {
        float* ofEqualPlaces = call.DistanceBias + (long)head * call.Distances + call.Distances / 2;
        Span<float> seen = new(scores + firstKey, endOfKeys - firstKey);
        TensorPrimitives.Add(seen, new ReadOnlySpan<float>(ofEqualPlaces + firstKey - position, seen.Length), seen);
    }

    /// <summary>
    /// Asks the processor to load values of the next head into its cache. They lie in different rows, too far apart for the processor to foresee it.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(float* values, int size)
    {
        if (!Sse.IsSupported) return;
        for (int i = 0; i < size; i += Lanes) Sse.Prefetch0(values + i);
    }

    /// <summary>values · factor + biases. Each 16 results are written <paramref name="stride"/> values behind the 16 before.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Read(float* values, float* biases, float factor, int size, float* destination, int stride)
    {
        Vector512<float> factors = Vector512.Create(factor);
        int i = 0;
        for (; i <= size - Lanes; i += Lanes, destination += stride)
            Vector512.FusedMultiplyAdd(Vector512.Load(values + i), factors, Vector512.Load(biases + i)).Store(destination);
        for (int lane = 0; i < size; i++, lane++) destination[lane] = MathF.FusedMultiplyAdd(values[i], factor, biases[i]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Scale(float* values, float factor, int size, float* destination)
    {
        Vector512<float> factors = Vector512.Create(factor);
        int i = 0;
        for (; i <= size - Lanes; i += Lanes) (Vector512.Load(values + i) * factors).Store(destination + i);
        for (; i < size; i++) destination[i] = values[i] * factor;
    }

    /// <summary>Turns channel i with channel i + r/2 by the angle of a position, r being the channels that are turned.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Rotate(float* values, in Call call, int position)
    {
        int half = call.TurnedPairs, i = 0;
        float* cos = call.Cos + (long)position * half, sin = call.Sin + (long)position * half, others = values + half;
        for (; i <= half - Lanes; i += Lanes)
        {
            Vector512<float> x = Vector512.Load(values + i), y = Vector512.Load(others + i), c = Vector512.Load(cos + i), s = Vector512.Load(sin + i);
            (x * c - y * s).Store(values + i);
            (y * c + x * s).Store(others + i);
        }
        for (; i < half; i++) (values[i], others[i]) = (values[i] * cos[i] - others[i] * sin[i], others[i] * cos[i] + values[i] * sin[i]);
    }

    /// <summary>Replaces scores by e^(score − largest score) for the keys of a range, and by 0 for the other keys up to a width.</summary>
    /// <returns>The sum of the results.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Exponentials(float* scores, int from, int to, int width)
    {
        Vector512<float> largest = Vector512.Create(float.NegativeInfinity), sum = Vector512<float>.Zero;
        for (int key = 0; key < width; key += Lanes)
            largest = Vector512.ConditionalSelect(Between(key, from, to), Vector512.Max(largest, Vector512.Load(scores + key)), largest);
        Vector256<float> eight = Vector256.Max(largest.GetLower(), largest.GetUpper());
        Vector128<float> four = Vector128.Max(eight.GetLower(), eight.GetUpper());
        largest = Vector512.Create(Math.Max(Math.Max(four[0], four[1]), Math.Max(four[2], four[3])));
        for (int key = 0; key < width; key += Lanes)
        {
            Vector512<float> exponential = Vector512.ConditionalSelect(
                Between(key, from, to), Exponential.Of(Vector512.Load(scores + key) - largest), Vector512<float>.Zero);
            exponential.Store(scores + key);
            sum += exponential;
        }
        return Vector512.Sum(sum);
    }

    /// <summary>Which of 16 keys, <paramref name="key"/> being the first, lie in a range.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Between(int key, int from, int to)
    {
        Vector512<int> keys = Vector512<int>.Indices + Vector512.Create(key);
        return (Vector512.GreaterThanOrEqual(keys, Vector512.Create(from)) & Vector512.LessThan(keys, Vector512.Create(to))).AsSingle();
    }

    /// <summary>
    /// Eight rows times columns that are stored in panels of 16: destination[r][c] = Σₖ rows[r][k] · panels[c/16][k][c%16]. All 16 columns of the
    /// last panel are computed.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Multiply(
        float* rows, int stride, float* panels, int panelStride, int columns, int depth, float* destination, int destinationStride)
    {
        int column = 0;
        for (; column < columns - Lanes; column += 2 * Lanes, panels += 2 * panelStride)
            MultiplyTwo(rows, stride, panels, panelStride, depth, destination + column, destinationStride);
        if (column < columns) MultiplyOne(rows, stride, panels, depth, destination + column, destinationStride);
    }

    /// <summary>Eight rows times one panel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyOne(float* rows, int stride, float* panel, int depth, float* destination, int destinationStride)
    {
        Vector512<float> s0 = Vector512<float>.Zero, s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
        float* r1 = rows + stride, r2 = r1 + stride, r3 = r2 + stride, r4 = r3 + stride, r5 = r4 + stride, r6 = r5 + stride, r7 = r6 + stride;
        for (long k = 0; k < depth; k++)
        {
            Vector512<float> values = Vector512.Load(panel + k * Lanes);
            s0 = Vector512.FusedMultiplyAdd(Vector512.Create(rows[k]), values, s0);
            s1 = Vector512.FusedMultiplyAdd(Vector512.Create(r1[k]), values, s1);
            s2 = Vector512.FusedMultiplyAdd(Vector512.Create(r2[k]), values, s2);
            s3 = Vector512.FusedMultiplyAdd(Vector512.Create(r3[k]), values, s3);
            s4 = Vector512.FusedMultiplyAdd(Vector512.Create(r4[k]), values, s4);
            s5 = Vector512.FusedMultiplyAdd(Vector512.Create(r5[k]), values, s5);
            s6 = Vector512.FusedMultiplyAdd(Vector512.Create(r6[k]), values, s6);
            s7 = Vector512.FusedMultiplyAdd(Vector512.Create(r7[k]), values, s7);
        }
        Store(destination, destinationStride, s0, s1, s2, s3, s4, s5, s6, s7);
    }

    /// <summary>Eight rows times two panels: each value of the rows is loaded half as often.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyTwo(float* rows, int stride, float* panel, int panelStride, int depth, float* destination, int destinationStride)
    {
        Vector512<float> s0 = Vector512<float>.Zero, s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
        Vector512<float> t0 = s0, t1 = s0, t2 = s0, t3 = s0, t4 = s0, t5 = s0, t6 = s0, t7 = s0;
        float* r1 = rows + stride, r2 = r1 + stride, r3 = r2 + stride, r4 = r3 + stride, r5 = r4 + stride, r6 = r5 + stride, r7 = r6 + stride;
        float* other = panel + panelStride;
        for (long k = 0; k < depth; k++)
        {
            Vector512<float> left = Vector512.Load(panel + k * Lanes), right = Vector512.Load(other + k * Lanes), value = Vector512.Create(rows[k]);
            (s0, t0) = (Vector512.FusedMultiplyAdd(value, left, s0), Vector512.FusedMultiplyAdd(value, right, t0));
            value = Vector512.Create(r1[k]);
            (s1, t1) = (Vector512.FusedMultiplyAdd(value, left, s1), Vector512.FusedMultiplyAdd(value, right, t1));
            value = Vector512.Create(r2[k]);
            (s2, t2) = (Vector512.FusedMultiplyAdd(value, left, s2), Vector512.FusedMultiplyAdd(value, right, t2));
            value = Vector512.Create(r3[k]);
            (s3, t3) = (Vector512.FusedMultiplyAdd(value, left, s3), Vector512.FusedMultiplyAdd(value, right, t3));
            value = Vector512.Create(r4[k]);
            (s4, t4) = (Vector512.FusedMultiplyAdd(value, left, s4), Vector512.FusedMultiplyAdd(value, right, t4));
            value = Vector512.Create(r5[k]);
            (s5, t5) = (Vector512.FusedMultiplyAdd(value, left, s5), Vector512.FusedMultiplyAdd(value, right, t5));
            value = Vector512.Create(r6[k]);
            (s6, t6) = (Vector512.FusedMultiplyAdd(value, left, s6), Vector512.FusedMultiplyAdd(value, right, t6));
            value = Vector512.Create(r7[k]);
            (s7, t7) = (Vector512.FusedMultiplyAdd(value, left, s7), Vector512.FusedMultiplyAdd(value, right, t7));
        }
        Store(destination, destinationStride, s0, s1, s2, s3, s4, s5, s6, s7);
        Store(destination + Lanes, destinationStride, t0, t1, t2, t3, t4, t5, t6, t7);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(
        float* destination,
        int stride,
        Vector512<float> r0,
        Vector512<float> r1,
        Vector512<float> r2,
        Vector512<float> r3,
        Vector512<float> r4,
        Vector512<float> r5,
        Vector512<float> r6,
        Vector512<float> r7)
    {
        r0.Store(destination);
        r1.Store(destination += stride);
        r2.Store(destination += stride);
        r3.Store(destination += stride);
        r4.Store(destination += stride);
        r5.Store(destination += stride);
        r6.Store(destination += stride);
        r7.Store(destination + stride);
    }

    /// <summary>Rows [B·T,·] that are columns of a wider matrix.</summary>
    private readonly struct Rows(float* start, int stride)
    {
        private readonly float* _start = start;
        private readonly int _stride = stride;

        public float* Of(long row) => _start + row * _stride;
    }

    /// <summary>The inputs of one call by their names.</summary>
    private readonly struct Call(in RowArguments arguments, AttentionShape shape, Rows query, Rows key, Rows value, float* scales, int firstShared)
    {
        private readonly float* _scales = scales;

        public readonly RowArguments Arguments = arguments;
        public readonly AttentionShape Shape = shape;
        public readonly int Length = arguments.Length;
        public readonly Rows Query = query, Key = key, Value = value;
        public readonly float* Biases = arguments.Pointer(firstShared);
        public readonly float* Cos = arguments.Pointer(firstShared + 1), Sin = arguments.Pointer(firstShared + 2);
        public readonly int* Lengths = (int*)arguments.Inputs[firstShared + 3];
        public readonly float* PrefixKeys = arguments.Pointer(firstShared + 4), PrefixValues = arguments.Pointer(firstShared + 5);
        public readonly float* DistanceBias = arguments.Pointer(firstShared + 6);
        public readonly int TurnedPairs = arguments.InputWidths[firstShared + 1], Distances = arguments.InputWidths[firstShared + 6];
        public readonly float* Output = (float*)arguments.Outputs[0];

        public float ScaleOf(long row) => _scales is null ? 1 : _scales[row];
    }

    /// <summary>One thread's memory for the head that it works on.</summary>
    private readonly struct Scratch
    {
        /// <summary>Panels of 16 keys [d][16].</summary>
        public readonly float* Keys;

        /// <summary>Panels of 16 channels [keys][16].</summary>
        public readonly float* Values;

        /// <summary>[T,d], T rounded up to a multiple of eight.</summary>
        public readonly float* Queries;

        /// <summary>[8,keys], of the eight queries that are being computed.</summary>
        public readonly float* Scores;

        /// <summary>[8,d], of the eight queries that are being computed.</summary>
        public readonly float* Outputs;

        /// <summary>[d].</summary>
        public readonly float* Row, Zeros;

        public readonly int MostKeys, ScoreStride, OutputStride;

        public Scratch(in Call call)
        {
            int size = call.Shape.HeadSize, rows = RoundUp(call.Length, TileRows);
            (MostKeys, OutputStride) = (RoundUp(call.Shape.PrefixLength + call.Length, Lanes), RoundUp(size, Lanes));
            ScoreStride = MostKeys + Lanes; // rows whose distance is a power of two would share the same few lines of the cache
            int length = MostKeys * (size + OutputStride) + rows * size + TileRows * (ScoreStride + OutputStride) + 2 * OutputStride + Lanes;
            if (t_scratch is null || t_scratch.Length < length) t_scratch = GC.AllocateArray<float>(length, pinned: true);
            Keys = (float*)(((nint)Unsafe.AsPointer(ref t_scratch[0]) + 63) & ~63); // whole cache lines for vector loads
            Values = Keys + MostKeys * size;
            Queries = Values + MostKeys * OutputStride;
            Scores = Queries + rows * size;
            Outputs = Scores + TileRows * ScoreStride;
            Row = Outputs + TileRows * OutputStride;
            Zeros = Row + OutputStride;
            new Span<float>(Zeros, size).Clear();
        }

        private static int RoundUp(int value, int multiple) => (value + multiple - 1) / multiple * multiple;
    }
}
