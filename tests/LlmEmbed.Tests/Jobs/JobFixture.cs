using System.IO.Compression;
using System.Text;
using LlmEmbed.Data;
using LlmEmbed.Jobs;
using LlmEmbed.Tests.Cli;

namespace LlmEmbed.Tests.Jobs;

/// <summary>A classifier on a tiny backbone, and an input of three files with bad rows, empty texts and repeated ones.</summary>
public sealed class JobFixture : IDisposable
{
    /// <summary>Rows of all files together.</summary>
    public const int Rows = 605;

    private readonly TemporaryFolder _folder = new();

    public JobFixture()
    {
        string backbone = Repository.Fixture("bert");
        Model = _folder.File("model");
        LabeledText[] examples = [.. LabeledTexts.Take(40).Select(row => new LabeledText(row.Text, row.Label))];
        using (TextClassifier classifier = TextClassifier.Train(examples, new TrainingOptions
        {
            Recipe = new Recipe.Fixed { Backbones = [backbone], Head = new HeadOptions.Linear(), Precision = Precision.Fp32 },
        }))
            classifier.Save(Model);
        string TextOf(int row) => $"a {(row % 2 == 0 ? "fine" : "dull")} story {row / 3}{string.Concat(Enumerable.Repeat(" and more", row % 7))}";
        string[] texts = [.. Enumerable.Range(0, 200).Select(TextOf)];
        string Lines(Func<string, int, string> line) => string.Concat(texts.Select(line));
        _folder.Write("a.csv", "text,id\n" + Lines((text, row) => $"\"{text}\n{row}\",{row}\n") + "a row,with three,fields\n\"\",empty\n");
        _folder.Write(
            "b.jsonl", Lines((text, row) => $"{{\"id\": {row}, \"text\": \"{text}\"}}\n\n") + "no json\n{\"id\": [1], \"text\": [1]}\n");
        using (GZipStream packed = new(File.Create(_folder.File("c.csv.gz")), CompressionLevel.Fastest))
            packed.Write(Encoding.UTF8.GetBytes("id,text\n" + Lines((text, row) => $"x{row},{text}\n") + "last,\u200b\n"));
    }

    /// <summary>A decoder whose tokenizer makes no token of an empty text.</summary>
    public string Backbone { get; } = Repository.Fixture("qwen2");

    /// <summary>What is read of <see cref="Backbone"/>.</summary>
    internal EncoderOptions Encoder { get; } = new() { Views = ViewSelection.At("1,2", [Pooling.Mean]), Precision = Precision.Fp32 };

    public string Model { get; }

    internal IReadOnlyList<string> Inputs => [_folder.File("a.csv"), _folder.File("b.jsonl"), _folder.File("c.csv.gz")];

    internal JobOptions Predict(int shards) => Options(new JobTask.Predict(Model) { Top = 2 }, shards);

    internal JobOptions Embed(int shards, Precision precision = Precision.Fp32) =>
        Options(new JobTask.Embed(Backbone) { Encoder = Encoder with { Precision = precision } }, shards);

    /// <summary>Copies of the input, which a test may change.</summary>
    internal JobOptions OnCopies(JobOptions options, TemporaryFolder folder)
    {
        foreach (string input in Inputs) File.Copy(input, folder.File(Path.GetFileName(input)));
        return options with { Inputs = [.. Inputs.Select(input => folder.File(Path.GetFileName(input)))] };
    }

    public void Dispose() => _folder.Dispose();

    private JobOptions Options(JobTask task, int shards) => new()
    {
        Inputs = Inputs,
        Task = task,
        Shards = shards,
        UnitRows = 50,
        Table = new TableOptions(),
    };
}
