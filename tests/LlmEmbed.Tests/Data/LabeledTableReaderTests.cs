using LlmEmbed.Data;
using Xunit;
using static LlmEmbed.Tests.Data.Tables;

namespace LlmEmbed.Tests.Data;

public sealed class LabeledTableReaderTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private const string Good = "text,label\na,x\nb,y\nc,x\nd,y\n";

    [Fact]
    public void Texts_are_kept_and_labels_lose_surrounding_white_space()
    {
        LabeledTable table = Train("text,label\n a ,01\nb, 1\nc,01 \nd,1\n");
        Assert.Equal([new(" a ", "01"), new("b", "1"), new("c", "01"), new("d", "1")], table.Examples);
        Assert.Equal(["01", "1"], table.Labels);
        Assert.Equal(0, table.SkippedCount);
        Assert.Empty(table.Skipped);
    }

    [Fact]
    public void Numbers_and_truth_values_of_json_are_labels_as_written()
    {
        LabeledTable table = Read(
            "{\"text\":\"a\",\"label\":1}\n{\"text\":\"b\",\"label\":\"01\"}\n{\"text\":\"c\",\"label\":true}\n",
            TableFormat.JsonLines);
        Assert.Equal(["01", "1", "true"], table.Labels);
    }

    [Theory]
    [InlineData("text,label\na,x\n,y\n", "the text ('text') is empty")]
    [InlineData("text,label\na,x\n\" \t\",y\n", "the text ('text') is empty")]
    [InlineData("text,label\na,x\nb,\n", "the label ('label') is empty")]
    [InlineData("text,label\na,x\nb, \n", "the label ('label') is empty")]
    public void A_row_without_text_or_label_is_an_error_that_names_the_option(string content, string expected)
    {
        LlmEmbedException error = Refused(() => Read(content));
        AssertError(expected, 3, error);
        Assert.Contains("--skip-bad-rows", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_null_and_a_missing_key_count_as_empty()
    {
        AssertError(
            "the label ('label') is empty",
            2,
            Refused(() => Read("{\"text\":\"a\",\"label\":\"x\"}\n{\"text\":\"b\"}\n", TableFormat.JsonLines)));
        AssertError("the text ('text') is empty", 1, Refused(() => Read("{\"text\":null,\"label\":\"x\"}\n", TableFormat.JsonLines)));
    }

    [Fact]
    public void Records_that_cannot_be_read_are_bad_rows_like_any_other()
    {
        const string Records = """
            {"text":"a","label":"x"}
            {"text":"half \ud83d","label":"x"}
            {"text":"b","label":[1]}
            {"text":{"en":"c"},"label":"x"}
            ["d","x"]
            {"text":"e","lab
            {"text":"f","label":"y"}
            """;
        AssertError("a string holds half of a surrogate pair", 2, Refused(() => Read(Records, TableFormat.JsonLines)));
        LabeledTable table = Read(Records, TableFormat.JsonLines, BadRows.Skip);
        Assert.Equal(["a", "f"], table.Examples.Select(example => example.Text));
        Assert.Equal("cannot be read: 5 (first: line 2)", Assert.Single(table.Skipped).ToString());
        AssertError("no row is left", null, Refused(() => Read("{\"text\":\"a\",\"label\":[1]}\n", TableFormat.JsonLines, BadRows.Skip)));
    }

    [Fact]
    public void A_row_with_another_number_of_fields_is_a_bad_row()
    {
        AssertError("the row has 3 fields, the header 2", 6, Refused(() => Read(Good + "e,f,x\n")));
        LabeledTable table = Read(Good + "e,f,x\ng,y\n", badRows: BadRows.Skip);
        Assert.Equal("g", table.Examples[^1].Text);
        Assert.Equal("cannot be read: 1 (first: line 6)", Assert.Single(table.Skipped).ToString());
    }

    [Fact]
    public void Bad_rows_can_be_skipped_and_are_counted()
    {
        LabeledTable table = Train(Good + ",x\n ,y\ne,\nf,single\n", BadRows.Skip);
        Assert.Equal(["a", "b", "c", "d"], table.Examples.Select(example => example.Text));
        Assert.Equal(["x", "y"], table.Labels);
        Assert.Equal(4, table.SkippedCount);
        Assert.Equal(
            ["no text: 2 (first: line 6)", "no label: 1 (first: line 8)", "the only example of its class: 1 (first: line 9)"],
            table.Skipped.Select(reason => reason.ToString()));
    }

    [Fact]
    public void A_file_of_bad_rows_only_is_an_error()
    {
        AssertError("no row is left", null, Refused(() => Read("text,label\n,x\n", TableFormat.Csv, BadRows.Skip)));
    }

    [Fact]
    public void A_class_with_one_example_cannot_be_trained_on_but_evaluated()
    {
        LlmEmbedException error = Refused(() => Train(Good + "e,z\n"));
        AssertError("this is the only example of the class 'z'; training needs two of each. Add examples or remove the class.", 6, error);
        Assert.Equal(["x", "y", "z"], Read(Good + "e,z\n").Labels);
    }

    [Fact]
    public void Many_classes_with_one_example_are_told_at_once()
    {
        AssertError("the only example of the class 'id1' (3 classes have one example)", 2, Refused(() => Train("text,label\na,id1\nb,id2\nc,id3\n")));
        AssertError("no class has two examples, training needs two classes. Is 'label' the right --label-column?", null,
            Refused(() => Train("text,label\na,id1\nb,id2\nc,id3\n", BadRows.Skip)));
    }

    [Fact]
    public void A_single_class_cannot_be_trained_on()
    {
        AssertError("all examples are of the class 'x', training needs two classes", null, Refused(() => Train("text,label\na,x\nb,x\n")));
    }

    [Fact]
    public void Texts_with_two_labels_are_counted()
    {
        Assert.Equal(2, Train("text,label\na,x\na,y\na,x\nb,y\nb,y\nc,x\nc,y\n").ConflictingTexts);
        Assert.Equal(0, Train(Good).ConflictingTexts);
    }

    [Theory]
    [InlineData("text,label", null, null, 0, 1)]
    [InlineData("id,class,sentence", null, null, 2, 1)]
    [InlineData("content,text,target,category", null, null, 1, 3)]
    [InlineData("Label,Review", null, null, 1, 0)]
    [InlineData("message,label", null, null, 0, 1)]
    [InlineData("message,intent", null, "intent", 0, 1)]
    [InlineData("message,Intent,label", "message", "intent", 0, 1)]
    [InlineData("label,message,class", "label", "class", 0, 2)]
    public void Columns_are_found_by_their_usual_names_or_as_the_user_says(string header, string? textName, string? labelName, int text, int label)
    {
        using TableReader table = Open(header + "\n", TableFormat.Csv);
        Assert.Equal((text, label), TableColumns.TextAndLabel(table, textName, labelName));
    }

    [Theory]
    [InlineData("text,intent", null, null, "no column is called label, class, category or target", "--label-column")]
    [InlineData("message,title,label", null, null, "no column is called text, sentence, content or review", "--text-column")]
    [InlineData("label", null, null, "so it is not clear which holds the text", "--text-column")]
    [InlineData("text,label", "message", null, "there is no column 'message'", "'text', 'label'")]
    [InlineData("text,label", "label", null, "the column 'label' cannot be text and label at once", "'text', 'label'")]
    public void Columns_that_cannot_be_told_are_an_error_that_lists_them(
        string header, string? textName, string? labelName, string expected, string option)
    {
        using TableReader table = Open(header + "\n", TableFormat.Csv);
        LlmEmbedException error = Refused(() => TableColumns.TextAndLabel(table, textName, labelName));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Contains(option, error.Message, StringComparison.Ordinal);
        string columns = header.Replace(",", "', '", StringComparison.Ordinal);
        Assert.Contains($"The columns are: '{columns}' (csv, commas,", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Files_are_read_by_path()
    {
        using TemporaryFile file = new("train.csv", Good.Replace("text,label", "words,kind", StringComparison.Ordinal));
        LabeledTableOptions options = new() { TextColumn = "words", LabelColumn = "kind" };
        Assert.Equal(4, LabeledTable.ReadForTraining(file.Path, options, cancellationToken: Cancellation).Examples.Count);
        LabeledTable table = LabeledTable.Read(file.Path, options with { Table = TableFormat.Csv }, cancellationToken: Cancellation);
        Assert.Equal(file.Path, table.Source);
    }

    [Theory]
    [InlineData("sst2", 67_349, 872, 2)]
    [InlineData("mr", 7_108, 3_554, 2)]
    [InlineData("agnews", 72_739, 7_600, 4)]
    [InlineData("r8", 5_485, 2_189, 8)]
    [InlineData("r52", 6_532, 2_568, 52)]
    [InlineData("polarity2", 1_800, 200, 2)]
    public void The_benchmark_data_sets_have_their_published_sizes(string dataSet, int trainRows, int testRows, int classes)
    {
        string folder = Repository.SharedOrSkip("data", dataSet);
        LabeledTable train = LabeledTable.Read(Path.Combine(folder, "train.csv"), cancellationToken: Cancellation);
        LabeledTable test = LabeledTable.Read(Path.Combine(folder, "test.csv"), cancellationToken: Cancellation);
        Assert.Equal((trainRows, testRows, classes), (train.Examples.Count, test.Examples.Count, train.Labels.Count));
        Assert.Subset(train.Labels.ToHashSet(), test.Labels.ToHashSet());
    }

    [Fact]
    public void R52_has_a_class_with_one_training_example()
    {
        string path = Path.Combine(Repository.SharedOrSkip("data", "r52"), "train.csv");
        Assert.Contains(
            "the only example of the class 'platinum'",
            Refused(() => LabeledTable.ReadForTraining(path, cancellationToken: Cancellation)).Message,
            StringComparison.Ordinal);
        LabeledTable skipped = LabeledTable.ReadForTraining(path, new() { BadRows = BadRows.Skip }, cancellationToken: Cancellation);
        Assert.Equal((6_531, 51, 1), (skipped.Examples.Count, skipped.Labels.Count, skipped.SkippedCount));
    }

    [Fact]
    public void Reading_can_be_cancelled_between_two_rows()
    {
        using TableReader table = Open(Good, TableFormat.Csv);
        Assert.ThrowsAny<OperationCanceledException>(() => LabeledTable.Read(table, cancellationToken: new CancellationToken(canceled: true)));
    }

    [Fact]
    public void A_sample_keeps_lines_and_what_was_counted_in_the_whole_table()
    {
        string rows = string.Concat(Enumerable.Range(0, 40).Select(row => $"text {row},{(row % 4 == 0 ? "x" : "y")}\n"));
        LabeledTable table = Train($"text,label\n{rows},x\ntext 1,x\n", BadRows.Skip), sample = table.Sample(20, seed: 3);
        Assert.Equal(["x", "y"], sample.Labels);
        Assert.InRange(sample.Examples.Count, 18, 20);
        Assert.All(sample.Examples.Zip(sample.Lines), pair => Assert.Equal(table.Examples[table.Lines.ToList().IndexOf(pair.Second)], pair.First));
        Assert.Equal((1, 1), (sample.SkippedCount, sample.ConflictingTexts));
        Assert.Equal(table.Examples, table.Sample(1000).Examples);
        Assert.NotEqual(sample.Examples, table.Sample(20, seed: 4).Examples);
        Assert.Throws<ArgumentOutOfRangeException>(() => table.Sample(0));
    }

    private static LabeledTable Train(string content, BadRows badRows = BadRows.Refuse)
    {
        using TableReader table = Open(content, TableFormat.Csv);
        return LabeledTable.ReadForTraining(table, new() { BadRows = badRows }, cancellationToken: Cancellation);
    }

    private static LabeledTable Read(string content, TableFormat? format = null, BadRows badRows = BadRows.Refuse)
    {
        using TableReader table = Open(content, format ?? TableFormat.Csv);
        return LabeledTable.Read(table, new() { BadRows = badRows }, cancellationToken: Cancellation);
    }

    private static LlmEmbedException Refused(Func<object?> read) => Assert.Throws<LlmEmbedException>(() => { read(); });
}
