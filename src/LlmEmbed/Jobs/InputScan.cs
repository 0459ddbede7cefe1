using LlmEmbed.Data;
using LlmEmbed.Reading;

namespace LlmEmbed.Jobs;

/// <summary>What one reading of the whole input shows: its files, the places where a shard may begin, and a sample of its rows.</summary>
internal sealed class InputScan
{
    /// <summary>
    /// Places at which a shard may begin are kept up to this number; beyond it every other one is dropped. So the memory does not grow with the
    /// input, and a shard still begins at a whole unit.
    /// </summary>
    private const int MostPlaces = 1 << 16;

    private const long ReportedRows = 100_000;

    private readonly IReadOnlyList<string> _files;
    private readonly (long Bytes, DateTime Modified)[] _facts; // of the files, before they are read
    private readonly long[] _rowsOf;
    private readonly List<Place> _places = [];
    private readonly DeterministicRandom _random = new(seed: 1);
    private readonly JobRow?[] _sample;
    private long _unitsPerPlace = 1, _usable;

    private InputScan(IReadOnlyList<string> files, int sampleRows)
    {
        (_files, _rowsOf, _sample) = (files, new long[files.Count], new JobRow?[sampleRows]);
        _facts = [.. files.Select(file => new FileInfo(file)).Select(file => (file.Length, file.LastWriteTimeUtc))];
    }

    /// <summary>The files, with what tells that one of them changed.</summary>
    public IReadOnlyList<JobInput> Inputs { get; private set; } = [];

    public long Rows => _rowsOf.Sum();

    public long Characters => _places.Sum(place => place.Characters);

    /// <summary>Rows that can be read and have a text, drawn at random, in random order.</summary>
    public IReadOnlyList<JobRow> Sample => [.. _sample.OfType<JobRow>()];

    /// <summary>Reads all files.</summary>
    /// <param name="files">The files.</param>
    /// <param name="folder">The folder of the job.</param>
    /// <param name="tables">How the files are read.</param>
    /// <param name="size">After how much a unit ends.</param>
    /// <param name="sampleRows">Rows of the sample.</param>
    /// <param name="work">Told how far the reading is.</param>
    /// <exception cref="LlmEmbedException">A file cannot be read, or there are no rows.</exception>
    public static InputScan Of(IReadOnlyList<string> files, JobFolder folder, JobTables tables, UnitSize size, int sampleRows, Work work)
    {
        InputScan scan = new(files, sampleRows);
        foreach (JobUnit unit in JobUnit.Cut(scan.AllRows(tables, work), number: 0, firstRow: 0, size)) scan.Add(unit);
        if (scan.Rows == 0) throw new LlmEmbedException($"{string.Join(", ", files)}: there are no rows.") { FilePath = files[0] };
        scan.Inputs =
        [
            .. files.Index().Select(file => new JobInput(
                folder.Relative(file.Item), scan._facts[file.Index].Bytes, scan._facts[file.Index].Modified, scan._rowsOf[file.Index])),
        ];
        return scan;
    }

    /// <summary>How many shards there are if each is about this share of the whole.</summary>
    public int ShardsOfAbout(double share) => (int)Math.Clamp(Math.Ceiling(1 / share), 1, _places.Count);

    /// <summary>Cuts the input into shards of about as many characters each.</summary>
    /// <param name="count">How many.</param>
    /// <exception cref="LlmEmbedException">There are fewer units.</exception>
    public IReadOnlyList<JobShard> Cut(int count)
    {
        if (count > _places.Count)
            throw new LlmEmbedException(
                $"{count:N0} shards were asked for, but the input has only {_places.Count:N0} places where one can begin. Ask for fewer " +
                "(--shards), or make units smaller (--unit-rows).");
        List<Place> shards = [];
        long all = Math.Max(1, Characters), before = 0;
        foreach ((int index, Place place) in _places.Index())
        {
            // As many shards as are still to come need a place each.
            bool mustBegin = _places.Count - index <= count - shards.Count;
            bool isDue = (UInt128)before * (uint)count >= (UInt128)all * (uint)shards.Count;
            if (shards.Count == 0 || (shards.Count < count && (isDue || mustBegin))) shards.Add(place);
            else shards[^1] = shards[^1].Plus(place);
            before += place.Characters;
        }
        return [.. shards.Select(place => place.ToShard())];
    }

    /// <summary>Cuts the input into shards that end as soon as they have a number of rows.</summary>
    public IReadOnlyList<JobShard> CutByRows(long rows)
    {
        List<Place> shards = [];
        foreach (Place place in _places)
        {
            if (shards.Count == 0 || shards[^1].Rows >= rows) shards.Add(place);
            else shards[^1] = shards[^1].Plus(place);
        }
        return [.. shards.Select(place => place.ToShard())];
    }

    private IEnumerable<JobRow> AllRows(JobTables tables, Work work)
    {
        long rows = 0, bytes = 0, allBytes = _facts.Sum(file => file.Bytes);
        foreach ((int index, string file) in _files.Index())
        {
            // Programs that write in parts leave empty ones.
            if (_facts[index].Bytes is not (> 0 and long length)) continue;
            foreach (JobRow row in tables.Rows(file, index, default))
            {
                _rowsOf[index]++;
                if (++rows % ReportedRows == 0)
                {
                    work.CancellationToken.ThrowIfCancellationRequested();
                    work.Progress?.Report(
                        new WorkProgress("Reading the input", bytes + Math.Clamp(row.Position.Offset, 0, length), allBytes, "bytes"));
                }
                Draw(row);
                yield return row;
            }
            bytes += length;
        }
    }

    /// <summary>Keeps each usable row in the sample with the same probability (Vitter's algorithm R).</summary>
    private void Draw(JobRow row)
    {
        if (string.IsNullOrWhiteSpace(row.Text)) return;
        long place = _usable < _sample.Length ? _usable : (long)(_random.NextDouble() * (_usable + 1));
        _usable++;
        if (place < _sample.Length) _sample[place] = row;
    }

    private void Add(JobUnit unit)
    {
        JobRow first = unit.Rows[0];
        Place place = new(unit.Number, 1, unit.FirstRow, unit.Rows.Count, first.File, first.Position, unit.Characters, unit.Hash());
        if (_places.Count > 0 && _places[^1].Units < _unitsPerPlace) _places[^1] = _places[^1].Plus(place);
        else _places.Add(place);
        if (_places.Count <= MostPlaces) return;
        Place[] pairs = [.. _places.Chunk(2).Select(pair => pair.Length == 1 ? pair[0] : pair[0].Plus(pair[1]))];
        _places.Clear();
        _places.AddRange(pairs);
        _unitsPerPlace *= 2;
    }

    /// <summary>Consecutive units.</summary>
    private readonly record struct Place(
        long Unit, long Units, long Row, long Rows, int File, TablePosition Position, long Characters, UInt128 Hash)
    {
        public Place Plus(Place next) => this with
        {
            Units = Units + next.Units,
            Rows = Rows + next.Rows,
            Characters = Characters + next.Characters,
            Hash = unchecked(Hash + next.Hash),
        };

        public JobShard ToShard() =>
            new(Unit, Units, Row, Rows, File, Position.Row, Position.LineNumber, Position.Offset, Characters, JobRows.Show(Hash));
    }
}
