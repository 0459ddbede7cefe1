using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using LlmEmbed.Data;
using LlmEmbed.Files;
using LlmEmbed.Jobs;
using LlmEmbed.Tests.Cli;
using Xunit;

namespace LlmEmbed.Tests.Jobs;

/// <summary>Plans, shards, records and merging, as a .NET program calls them.</summary>
public sealed class JobTests(JobFixture fixture) : IClassFixture<JobFixture>, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string, bool> Results => new()
    {
        { "out.csv", true }, { "out.jsonl", true }, { "out.parquet", true }, { "out.safetensors", false }, { "out.npy", false },
    };

    [Theory]
    [MemberData(nameof(Results))]
    public void Any_number_of_shards_in_any_order_gives_the_same_bytes(string output, bool isPrediction)
    {
        string[] merged = [.. new[] { 1, 3, 13 }.Select(shards =>
        {
            Job job = Plan(isPrediction ? fixture.Predict(shards) : fixture.Embed(shards, Precision.Int8), $"job{shards}");
            Assert.Equal(shards, job.ShardCount);
            foreach (int shard in Enumerable.Range(0, shards).OrderBy(shard => shard * 7 % shards)) Run(job, shard, threads: 1 + shard % 2);
            Directory.CreateDirectory(_folder.File($"{shards}"));
            string path = _folder.File($"{shards}/{output}");
            Assert.Equal((JobFixture.Rows - (isPrediction ? 3 : 4), isPrediction ? 3 : 4), job.Merge(path, cancellationToken: Cancellation));
            return path;
        })];
        Assert.All(merged, path => Assert.Equal(File.ReadAllBytes(merged[0]), File.ReadAllBytes(path)));
        Assert.All(merged, path => Assert.Equal(File.ReadAllText(merged[0] + Job.RejectedSuffix), File.ReadAllText(path + Job.RejectedSuffix)));
    }

    [Fact]
    public void Predictions_are_those_of_the_classifier_in_the_order_of_the_input()
    {
        Job job = Plan(fixture.Predict(4), "job");
        job.Run(cancellationToken: Cancellation);
        job.Merge(_folder.File("out.jsonl"), cancellationToken: Cancellation);
        JsonNode[] rows = [.. File.ReadLines(_folder.File("out.jsonl")).Select(line => JsonNode.Parse(line)!)];
        using TextClassifier classifier = TextClassifier.Load(fixture.Model, cancellationToken: TestContext.Current.CancellationToken);
        string[] texts = [.. rows.Select(row => (string?)row["text"] ?? "")];
        foreach ((JsonNode row, Prediction expected) in rows.Zip(classifier.Predict(texts, TestContext.Current.CancellationToken)))
        {
            Assert.Equal(expected.Label, (string?)row["predicted_label"]);
            if (!expected.IsEmpty) Assert.Equal(expected.Ranked[1].Probability, (double)row["probability_2"]!, 1e-5);
        }
        Assert.Equal(["0", "1", "2"], rows.Take(3).Select(row => (string?)row["id"]));
        Assert.Equal("empty", (string?)rows[200]["id"]);
        Assert.Equal(0, (int)rows[201]["id"]!);
        Assert.Equal("last", (string?)rows[^1]["id"]);
    }

    [Fact]
    public void Bad_rows_are_listed_with_file_line_and_reason()
    {
        Job job = Plan(fixture.Embed(2), "job");
        job.Run(cancellationToken: Cancellation);
        job.Merge(_folder.File("out.safetensors"), cancellationToken: Cancellation);
        JsonNode[] bad = [.. File.ReadLines(_folder.File("out.safetensors") + Job.RejectedSuffix).Select(line => JsonNode.Parse(line)!)];
        Assert.Equal([200L, 201, 402, 403], bad.Select(row => (long)row["row"]!));
        Assert.Equal([402L, 403, 401, 402], bad.Select(row => (long)row["line"]!));
        Assert.Contains("3 fields", (string)bad[0]["reason"]!, StringComparison.Ordinal);
        Assert.Contains("no token", (string)bad[1]["reason"]!, StringComparison.Ordinal);
        Assert.EndsWith("b.jsonl", (string)bad[2]["file"]!, StringComparison.Ordinal);
        Assert.Contains("nested value", (string)bad[3]["reason"]!, StringComparison.Ordinal);
    }

    [Fact]
    public void Embeddings_are_those_of_the_encoder_with_the_numbers_of_their_rows()
    {
        Job job = Plan(fixture.Embed(3), "job");
        job.Run(cancellationToken: Cancellation);
        job.Merge(_folder.File("out.safetensors"), cancellationToken: Cancellation);
        job.Merge(_folder.File("out.npy"), cancellationToken: Cancellation);
        job.Merge(_folder.File("out.json"), cancellationToken: Cancellation);
        using SafetensorsFile merged = SafetensorsFile.Open(_folder.File("out.safetensors"));
        ReadOnlySpan<float> states = merged.Require("embeddings", [-1, 2, -1], "F32").Span<float>();
        ReadOnlySpan<long> rows = merged.Require("row", [-1], "I64").Span<long>();
        Assert.Equal([0L, 1, 2], rows[..3].ToArray());
        Assert.Equal(JobFixture.Rows - 1, rows[^1]);
        using TextEncoder encoder = TextEncoder.Load(
            fixture.Backbone, fixture.Encoder, cancellationToken: TestContext.Current.CancellationToken);
        string first = TextsOf(fixture.Inputs[0]).First();
        TextEmbeddings alone = encoder.Encode([first], cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(alone.Values.ToArray(), states[..(2 * encoder.HiddenSize)].ToArray(), Close);

        byte[] array = File.ReadAllBytes(_folder.File("out.npy"));
        int head = 10 + array[8] + 256 * array[9];
        Assert.Equal(0, head % 64);
        string shape = $"'<f4', 'fortran_order': False, 'shape': ({rows.Length}, 2, {encoder.HiddenSize})";
        Assert.Contains(shape, Encoding.ASCII.GetString(array, 10, head - 10), StringComparison.Ordinal);
        Assert.Equal(MemoryMarshal.AsBytes(states).ToArray(), array[head..]);
        JsonNode index = JsonNode.Parse(File.ReadAllText(_folder.File("out.json")))!;
        Assert.Equal(3, index["shards"]!.AsArray().Count);
        Assert.All(index["shards"]!.AsArray(), shard => Assert.True(File.Exists(_folder.File((string)shard!["file"]!))));
    }

    [Fact]
    public void A_shard_that_was_begun_goes_on_after_its_last_finished_unit()
    {
        Job job = Plan(fixture.Predict(1), "job");
        using (CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(Cancellation))
        {
            ProgressCallback afterThree = new(progress => { if (progress is { Stage: "Shard 0", Done: >= 150 }) stop.Cancel(); });
            Assert.Throws<OperationCanceledException>(() => job.Run(progress: afterThree, cancellationToken: stop.Token));
        }
        string unit = _folder.File("job/shards/000000.units/000000001.jsonl");
        Assert.True(File.Exists(unit));
        // A unit that is finished is not computed again, so that a mark in it is found in the result.
        File.WriteAllText(unit, File.ReadAllText(unit).Replace("predicted_label", "marked_label", StringComparison.Ordinal));
        long computed = 0;
        job.Run(progress: new ProgressCallback(progress => computed = progress.Total - progress.Kept), cancellationToken: Cancellation);
        Assert.InRange(computed, 1, JobFixture.Rows - 150);
        Assert.Equal(50, File.ReadAllText(_folder.File("job/shards/000000.jsonl")).Split("marked_label").Length - 1);
        Assert.False(Directory.Exists(_folder.File("job/shards/000000.units")));
    }

    [Fact]
    public void A_complete_shard_is_not_touched_and_needs_no_model()
    {
        Job job = Plan(fixture.Predict(2), "job");
        job.Run(cancellationToken: Cancellation);
        string data = _folder.File("job/shards/000001.jsonl");
        DateTime before = File.GetLastWriteTimeUtc(data);
        JobRun again = job.Run(runtime: new RuntimeOptions { ModelFolders = ["/nowhere"] }, cancellationToken: Cancellation);
        Assert.Equal([0, 1], again.DoneBefore);
        Assert.Equal(before, File.GetLastWriteTimeUtc(data));
    }

    [Fact]
    public void A_shard_that_another_process_computes_is_left_to_it_unless_it_is_named()
    {
        Job job = Plan(fixture.Predict(2), "job");
        string claim = _folder.File("job/shards/000001.running.json");
        File.WriteAllText(claim, "{\"host\": \"elsewhere\", \"process\": 1, \"attempt\": 4}");
        JobRun run = job.Run(cancellationToken: Cancellation);
        Assert.Equal([0], run.Computed);
        Assert.Equal([1], run.ByOthers);
        Assert.Equal([1], job.Status().Running);
        File.SetLastWriteTimeUtc(claim, DateTime.UtcNow - TimeSpan.FromMinutes(6));
        Assert.Equal([1], job.Status().Missing);
        Assert.Equal([1], Run(job, 1).Computed);
        Assert.Equal(5, (int)JsonNode.Parse(File.ReadAllText(_folder.File("job/shards/000001.done.json")))!["attempt"]!);
        Assert.False(File.Exists(claim));
    }

    [Fact]
    public void A_claim_of_a_process_of_this_machine_that_ended_counts_as_lost()
    {
        Job job = Plan(fixture.Predict(1), "job");
        string claim = $"{{\"host\": \"{Environment.MachineName}\", \"process\": {int.MaxValue}, \"attempt\": 1}}";
        File.WriteAllText(_folder.File("job/shards/000000.running.json"), claim);
        Assert.Equal([0], job.Run(cancellationToken: Cancellation).Computed);
    }

    [Fact]
    public void The_same_plan_may_be_made_twice_and_another_one_is_refused()
    {
        Plan(fixture.Predict(2), "job");
        string plan = File.ReadAllText(_folder.File("job/plan.json"));
        Plan(fixture.Predict(2), "job");
        Assert.Equal(plan, File.ReadAllText(_folder.File("job/plan.json")));
        LlmEmbedException other = Assert.Throws<LlmEmbedException>(() => Plan(fixture.Predict(2) with { UnitRows = 40 }, "job"));
        Assert.Equal(ProblemKind.Mismatch, other.Kind);
        Assert.Contains("unit_size.rows is 40 instead of 50", other.Message, StringComparison.Ordinal);
        Assert.Equal(plan, File.ReadAllText(_folder.File("job/plan.json")));
    }

    [Theory]
    [InlineData("longer", ProblemKind.Mismatch, "bytes")]
    [InlineData("same size", ProblemKind.Mismatch, "others than when the job was planned")]
    [InlineData("missing", ProblemKind.BadInput, "no such file")]
    public void Input_that_changed_is_refused_before_anything_is_computed(string change, ProblemKind kind, string message)
    {
        JobOptions options = fixture.OnCopies(fixture.Predict(3), _folder);
        Job job = Plan(options, "job");
        string input = options.Inputs[0];
        if (change == "longer") File.AppendAllText(input, "one more,1\n");
        else if (change == "missing") File.Delete(input);
        else File.WriteAllText(input, File.ReadAllText(input).Replace("more", "less", StringComparison.Ordinal));
        LlmEmbedException problem = Assert.Throws<LlmEmbedException>(() => Run(job, 0));
        Assert.Equal(kind, problem.Kind);
        Assert.Contains(message, problem.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFiles(_folder.File("job/shards"), "*.jsonl", SearchOption.AllDirectories));
        Assert.Contains(message, Assert.Single(job.Status().Failed).Message, StringComparison.Ordinal);
        Assert.Equal([2], Run(job, 2).Computed); // its rows lie in other files
    }

    [Fact]
    public void Input_that_was_only_touched_or_moved_with_the_job_is_taken()
    {
        Directory.CreateDirectory(_folder.File("here"));
        JobOptions options = fixture.OnCopies(fixture.Predict(2), _folder) with { Inputs = [_folder.File("a.csv")] };
        File.Move(_folder.File("a.csv"), _folder.File("here/a.csv"));
        Job.Plan(options with { Inputs = [_folder.File("here/a.csv")] }, _folder.File("here/job"), cancellationToken: Cancellation);
        Directory.Move(_folder.File("here"), _folder.File("there"));
        File.SetLastWriteTimeUtc(_folder.File("there/a.csv"), DateTime.UtcNow);
        TemporaryFolder.EditJson(_folder.File("there/job/plan.json"), plan => plan["work"]!["model"] = fixture.Model);
        Assert.Equal([0, 1], Job.Open(_folder.File("there/job")).Run(cancellationToken: Cancellation).Computed);
    }

    [Theory]
    [InlineData("processor", "x64 other")]
    [InlineData("version", "9.9.9")]
    [InlineData("engine", "9.9")]
    public void Another_processor_or_version_is_refused_unless_it_is_accepted_and_noted(string key, string value)
    {
        Plan(fixture.Predict(1), "job");
        TemporaryFolder.EditJson(_folder.File("job/plan.json"), plan => plan["bits"]![key] = value);
        Job job = Job.Open(_folder.File("job"));
        LlmEmbedException problem = Assert.Throws<LlmEmbedException>(() => job.Run(cancellationToken: Cancellation));
        Assert.Equal(ProblemKind.Mismatch, problem.Kind);
        Assert.Contains(value, problem.Message, StringComparison.Ordinal);
        job.Run(new JobRunOptions { AcceptDifferences = true }, cancellationToken: Cancellation);
        Assert.Contains(value, File.ReadAllText(_folder.File("job/shards/000000.done.json")), StringComparison.Ordinal);
    }

    [Fact]
    public void Another_classifier_is_refused()
    {
        string model = _folder.File("model");
        Directory.CreateDirectory(model);
        foreach (string file in Directory.EnumerateFiles(fixture.Model)) File.Copy(file, Path.Combine(model, Path.GetFileName(file)));
        Job job = Plan(fixture.Predict(1) with { Task = new JobTask.Predict(model) }, "job");
        TemporaryFolder.EditJson(Path.Combine(model, "classifier.json"), classifier => classifier["head"]!["temperature"] = 2.5);
        LlmEmbedException problem = Assert.Throws<LlmEmbedException>(() => job.Run(cancellationToken: Cancellation));
        Assert.Equal(ProblemKind.Mismatch, problem.Kind);
        Assert.Contains("another classifier", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_backbone_is_refused()
    {
        string backbone = _folder.CopyFixture("qwen2");
        Job job = Plan(fixture.Embed(1) with { Task = new JobTask.Embed(backbone) }, "job");
        TemporaryFolder.EditJson(Path.Combine(backbone, "config.json"), config => config["rms_norm_eps"] = 0.5);
        Assert.Equal(ProblemKind.Mismatch, Assert.Throws<LlmEmbedException>(() => job.Run(cancellationToken: Cancellation)).Kind);
    }

    [Fact]
    public void A_damaged_record_is_an_error_and_not_missing()
    {
        Job job = Plan(fixture.Predict(2), "job");
        job.Run(cancellationToken: Cancellation);
        string record = _folder.File("job/shards/000001.done.json"), data = _folder.File("job/shards/000001.jsonl");
        byte[] before = File.ReadAllBytes(data);
        File.WriteAllText(record, "{\"plan\": ");
        Assert.Empty(job.Missing());
        string output = _folder.File("out.csv");
        Action[] readers =
            [() => job.Status(), () => job.Run(cancellationToken: Cancellation), () => job.Merge(output, cancellationToken: Cancellation)];
        foreach (Action act in readers)
            Assert.Contains("000001.done.json: the file is damaged", Assert.Throws<LlmEmbedException>(act).Message, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(data));
        Assert.False(File.Exists(_folder.File("out.csv")));
    }

    [Fact]
    public void A_damaged_shard_is_found_not_merged_and_computed_again_when_asked()
    {
        Job job = Plan(fixture.Predict(3), "job");
        job.Run(cancellationToken: Cancellation);
        string data = _folder.File("job/shards/000001.jsonl");
        byte[] sound = File.ReadAllBytes(data), damaged = [.. sound];
        damaged[40] ^= 1;
        File.WriteAllBytes(data, damaged);
        Assert.Contains("000001.jsonl: the file is damaged", Assert.Single(job.Verify(cancellationToken: Cancellation)), StringComparison.Ordinal);
        foreach (string output in (string[])["out.csv", "out.jsonl"])
        {
            string problem = Assert.Throws<LlmEmbedException>(() => job.Merge(_folder.File(output), cancellationToken: Cancellation)).Message;
            Assert.Contains("--again", problem, StringComparison.Ordinal);
            Assert.False(File.Exists(_folder.File(output)));
        }
        job.Run(new JobRunOptions { Shards = [1], Again = true }, cancellationToken: Cancellation);
        Assert.Equal(sound, File.ReadAllBytes(data));
        Assert.Empty(job.Verify(deep: true, cancellationToken: Cancellation));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_deep_check_finds_bytes_that_no_checksum_tells(bool isPrediction)
    {
        Job job = Plan(isPrediction ? fixture.Predict(1) : fixture.Embed(1), "job");
        job.Run(cancellationToken: Cancellation);
        string data = _folder.File(isPrediction ? "job/shards/000000.jsonl" : "job/shards/000000.safetensors");
        byte[] bytes = File.ReadAllBytes(data);
        // Every unit is changed, since only one of them is looked at.
        if (isPrediction) bytes = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(bytes).Replace("story", "storz", StringComparison.Ordinal));
        else for (int place = bytes.Length / 4; place < bytes.Length; place += 200) bytes[place] ^= 1;
        File.WriteAllBytes(data, bytes);
        string hash = Convert.ToHexStringLower(SHA256.HashData(bytes));
        TemporaryFolder.EditJson(_folder.File("job/shards/000000.done.json"), record => record["sha256"] = hash);
        Assert.Empty(job.Verify(cancellationToken: Cancellation));
        string problem = Assert.Single(job.Verify(deep: true, cancellationToken: Cancellation));
        Assert.Contains("other bytes than computed here", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Merging_waits_for_all_shards_and_overwrites_nothing_of_the_job()
    {
        JobOptions options = fixture.OnCopies(fixture.Predict(3), _folder);
        Job job = Plan(options, "job");
        Run(job, 1);
        string problem = Assert.Throws<LlmEmbedException>(() => job.Merge(_folder.File("out.csv"), cancellationToken: Cancellation)).Message;
        Assert.Contains("2 of 3 shards are missing (0,2)", problem, StringComparison.Ordinal);
        job.Run(cancellationToken: Cancellation);
        foreach (string own in (string[])[options.Inputs[0], _folder.File("job/plan.json"), _folder.File("job/shards/000000.jsonl")])
        {
            byte[] before = File.ReadAllBytes(own);
            Assert.Throws<LlmEmbedException>(() => job.Merge(own, cancellationToken: Cancellation));
            Assert.Equal(before, File.ReadAllBytes(own));
        }
    }

    [Fact]
    public void Into_a_folder_each_file_of_the_input_gets_a_table()
    {
        Job job = Plan(fixture.Predict(4), "job");
        job.Run(cancellationToken: Cancellation);
        string whole = _folder.File("whole.jsonl"), parts = Directory.CreateDirectory(_folder.File("parts")).FullName;
        job.Merge(whole, cancellationToken: Cancellation);
        Assert.Equal((602, 3), job.Merge(parts, cancellationToken: Cancellation));
        string[] names = [.. Directory.GetFiles(parts).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];
        Assert.Equal(["a.csv", "b.jsonl", "c.csv"], names);
        Assert.Equal(File.ReadLines(whole).Skip(201).Take(200), File.ReadLines(Path.Combine(parts, "b.jsonl")));
        Assert.Equal([201, 200, 201], names.Select(name => RowsIn(Path.Combine(parts, name))));
        Assert.True(File.Exists(parts + Job.RejectedSuffix));
    }

    [Fact]
    public void Shards_cover_the_input_in_whole_units()
    {
        foreach (int shards in (int[])[1, 2, 5, 13])
        {
            Plan(fixture.Predict(shards), $"job{shards}");
            JsonNode plan = JsonNode.Parse(File.ReadAllText(_folder.File($"job{shards}/plan.json")))!;
            long row = 0, unit = 0;
            foreach (JsonNode? shard in plan["shards"]!.AsArray())
            {
                Assert.Equal((row, unit), ((long)shard!["row"]!, (long)shard["unit"]!));
                Assert.InRange((long)shard["units"]!, 1, 13);
                (row, unit) = (row + (long)shard["rows"]!, unit + (long)shard["units"]!);
            }
            Assert.Equal((JobFixture.Rows, 13), (row, unit));
        }
        Assert.Contains("13 places", Assert.Throws<LlmEmbedException>(() => Plan(fixture.Predict(14), "job14")).Message, StringComparison.Ordinal);
    }

    /// <summary>Tiny backbones give the same bits in any batch, so that equal bytes alone would not show other units.</summary>
    [Fact]
    public void A_unit_has_the_same_rows_whatever_shard_it_is_in()
    {
        (long, long, string)[] UnitsOf(int shards)
        {
            JobFolder folder = new(_folder.File($"job{shards}"));
            Plan(fixture.Embed(shards), $"job{shards}");
            JobPlan plan = JobPlan.Read(folder.Plan);
            IEnumerable<JobUnit> units = Enumerable.Range(0, shards).SelectMany(shard => JobRows.UnitsOf(folder, plan, shard));
            return [.. units.Select(unit => (unit.Number, unit.FirstRow, JobRows.Show(unit.Hash())))];
        }

        (long, long, string)[] all = UnitsOf(1);
        Assert.Equal(13, all.Length);
        foreach (int shards in (int[])[2, 5, 13]) Assert.Equal(all, UnitsOf(shards));
    }

    [Fact]
    public void Rows_per_shard_are_reached_by_whole_units()
    {
        Job job = Plan(fixture.Predict(1) with { Shards = null, RowsPerShard = 120 }, "job");
        JsonNode plan = JsonNode.Parse(File.ReadAllText(_folder.File("job/plan.json")))!;
        Assert.Equal([150L, 150, 150, 150, 5], plan["shards"]!.AsArray().Select(shard => (long)shard!["rows"]!));
        Assert.Equal(5, job.ShardCount);
    }

    [Fact]
    public void Folders_and_patterns_are_read_in_the_order_of_their_paths()
    {
        Directory.CreateDirectory(_folder.File("in/deeper"));
        foreach (string name in (string[])["in/b.csv", "in/a.csv", "in/deeper/c.csv", "in/_SUCCESS", "in/notes.md", "in/empty.csv", "in/part-2.txt"])
            _folder.Write(name, name == "in/empty.csv" ? "" : "text,id\na fine film,1\n");
        JobOptions Of(params string[] inputs) => fixture.Embed(1) with { Inputs = inputs, TextColumn = "text" };
        Assert.Equal(
            ["a.csv", "b.csv", "c.csv", "empty.csv", "part-2.txt"],
            Plan(Of(_folder.File("in")), "job1").Inputs.Select(input => Path.GetFileName(input.Path)));
        Assert.Equal(["a.csv", "b.csv"], Plan(Of(_folder.File("in/?.csv")), "job2").Inputs.Select(input => Path.GetFileName(input.Path)));
        Assert.Equal(3, Plan(Of(_folder.File("in/**/?.csv")), "job3").Inputs.Count);
        string Refusal(params string[] inputs) => Assert.Throws<LlmEmbedException>(() => Plan(Of(inputs), "refused")).Message;
        Assert.Contains("named twice", Refusal(_folder.File("in"), _folder.File("in/a.csv")), StringComparison.Ordinal);
        Assert.Contains("no file matches", Refusal(_folder.File("in/x*.csv")), StringComparison.Ordinal);
    }

    [Fact]
    public void Files_with_other_columns_need_those_that_are_kept_named()
    {
        string one = _folder.Write("one.csv", "text,id\na fine film,1\n"), other = _folder.Write("other.csv", "text,number\na dull film,2\n");
        JobOptions options = fixture.Predict(1) with { Inputs = [one, other], Task = new JobTask.Predict(fixture.Model) };
        Assert.Contains("--keep", Assert.Throws<LlmEmbedException>(() => Plan(options, "job")).Message, StringComparison.Ordinal);
        Job job = Plan(options with { Task = new JobTask.Predict(fixture.Model) { Keep = [] } }, "job");
        job.Run(cancellationToken: Cancellation);
        job.Merge(_folder.File("out.csv"), cancellationToken: Cancellation);
        Assert.Equal("predicted_label,probability", File.ReadLines(_folder.File("out.csv")).First());
    }

    [Fact]
    public void A_plan_of_a_newer_version_is_refused_by_name()
    {
        Plan(fixture.Predict(1), "job");
        TemporaryFolder.EditJson(_folder.File("job/plan.json"), plan => plan["format_version"] = 2);
        Assert.Contains("Update llmembed", Assert.Throws<LlmEmbedException>(() => Job.Open(_folder.File("job"))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_training_on_what_a_job_put_into_its_store_computes_nothing(bool isAutomatic)
    {
        (string Text, string Label)[] rows = [.. LabeledTexts.Take(90).DistinctBy(row => row.Text)];
        string data = _folder.Write("data.csv", LabeledTexts.Csv(rows));
        Recipe recipe = isAutomatic
            ? new Recipe.Automatic { Backbones = [fixture.Backbone, Repository.Fixture("bert")] }
            : new Recipe.Fixed { Backbones = [fixture.Backbone] };
        TrainingOptions training = new() { Recipe = recipe, HeldOutShare = 0.2, Seed = 3 };
        LabeledText[] examples = [.. rows.Select(row => new LabeledText(row.Text, row.Label))];
        JobOptions options = new()
        {
            Inputs = [data],
            Task = new JobTask.Train(_folder.File("store"), examples, training),
            Shards = 3,
            UnitRows = 20,
            TextColumn = "text",
        };
        Job job = Plan(options, "job");
        Assert.Equal([2], Run(job, 2).Computed);
        Assert.Equal([0, 1], job.Run(cancellationToken: Cancellation).Computed);
        using TextClassifier classifier = TextClassifier.Train(
            examples, training, new RuntimeOptions { CacheFolder = _folder.File("store") }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.All(classifier.Training!.Reading, backbone => Assert.Equal(0, backbone.Statistics.ComputedTexts));
        string problem = Assert.Throws<LlmEmbedException>(() => job.Merge("x.csv", cancellationToken: Cancellation)).Message;
        Assert.Contains("llmembed train --cache", problem, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static bool Close(float one, float other) => MathF.Abs(one - other) <= 1e-5f;

    private Job Plan(JobOptions options, string name) => Job.Plan(options, _folder.File(name), cancellationToken: Cancellation);

    private static JobRun Run(Job job, int shard, int threads = 1) =>
        job.Run(new JobRunOptions { Shards = [shard] }, new RuntimeOptions { Threads = threads }, cancellationToken: Cancellation);

    private static int RowsIn(string path)
    {
        using TableReader table = TableReader.Open(path);
        return table.Rows().Count();
    }

    private static IEnumerable<string> TextsOf(string path)
    {
        using TableReader table = TableReader.Open(path);
        int column = table.TextColumn();
        foreach (TableRow row in table.AllRowsFrom(default)) if (table.WhyNoText(row, column) is null) yield return row.Fields[column].Text!;
    }
}
