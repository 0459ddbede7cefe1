using System.CommandLine;
using System.Security.Cryptography;
using LlmEmbed.Cli;
using LlmEmbed.Tests.Files;
using Xunit;

namespace LlmEmbed.Tests.Cli;

/// <summary>No command writes over what it reads, or writes two things to one place.</summary>
public sealed class CommandFilesTests(TrainedClassifier trained) : IClassFixture<TrainedClassifier>, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>Every way to name the file of <c>--data</c> as an output, in every command and option that writes.</summary>
    public static TheoryData<string, string> Overwriting
    {
        get
        {
            string[] commands =
            [
                "predict MODEL --data DATA --output OTHER",
                "evaluate MODEL --data DATA --report OTHER",
                "evaluate MODEL --data DATA --pictures OTHER",
                "train --data DATA --backbone BACKBONE --output new --report OTHER",
                "train --data DATA --backbone BACKBONE --output new --pictures OTHER",
                "train --data DATA --backbone BACKBONE --output OTHER",
                "train --data TEST --test DATA --backbone BACKBONE --output new --report OTHER",
                "train --data TEST --unlabelled DATA --backbone BACKBONE --output new --report OTHER",
                "probe --data DATA --backbone BACKBONE --svg OTHER",
                "compare --data DATA --test TEST --backbone BACKBONE --output OTHER",
                "compare --data TEST --test DATA --backbone BACKBONE --report OTHER",
                "embed --data DATA --backbone BACKBONE --output OTHER",
            ];
            TheoryData<string, string> cases = [];
            foreach (string command in commands)
                foreach (string way in (string[])["same", "link", "linked-folder", "hard-link"]) cases.Add(command, way);
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Overwriting))]
    public void An_output_that_is_the_data_is_refused_before_anything_is_opened(string command, string way)
    {
        string data = CopyOfData(), other = OtherWayTo(data, way);
        string[] before = Contents();
        string message = Tool.Run(Arguments(command, data, other)).Refused(exitCode: 2);
        string option = command.Split(' ')[^2];
        Assert.StartsWith($"llmembed: {option} {other} is the same as ", message, StringComparison.Ordinal);
        Assert.Contains($" {data};", message, StringComparison.Ordinal);
        Assert.Equal(before, Contents());
    }

    [Theory]
    [InlineData("predict MODEL --data DATA --output MODEL/classifier.json --output-format csv", "a file of MODEL ")]
    [InlineData("predict MODEL --data DATA --output BACKBONE/config.json --output-format csv", "a file of MODEL ")]
    [InlineData("evaluate MODEL --data DATA --report MODEL/report.html", "a file of MODEL ")]
    [InlineData("evaluate MODEL --data DATA --report MODEL/terms.txt", "a file of MODEL ")]
    [InlineData("embed --data DATA --backbone BACKBONE --output BACKBONE/model.safetensors", "a file of --backbone ")]
    [InlineData("probe --data DATA --backbone BACKBONE --svg BACKBONE/vocab.txt", "a file of --backbone ")]
    [InlineData("train --data DATA --backbone BACKBONE --output new --report BACKBONE/config.json", "a file of --backbone ")]
    [InlineData("train --data DATA --backbone BACKBONE --output BACKBONE", "the same as --backbone ")]
    [InlineData("train --data DATA --backbone BACKBONE --output new --report new/classifier.json", "a file of the classifier in --output ")]
    [InlineData("train --data DATA --backbone BACKBONE --output MODEL --report MODEL/README.md", "a file of the classifier in --output ")]
    [InlineData("train --data DATA --backbone BACKBONE --output new --report new/pages/report.html", "a folder that --output ")]
    [InlineData("train --data DATA --backbone BACKBONE --output MODEL --cache MODEL/cache", "is replaced as a whole and holds ")]
    [InlineData("train --data DATA --backbone BACKBONE --output new --report page --pictures page", "the same as --report ")]
    [InlineData("train --data DATA --backbone BACKBONE --output new --report charts/x.svg --pictures charts", "may be one of the pictures in ")]
    [InlineData("compare --data DATA --test TEST --backbone BACKBONE --output page --report page", "the same as --output ")]
    public void Files_of_models_and_other_outputs_are_no_outputs(string command, string words)
    {
        string backbone = _folder.CopyFixture("bert"), model = TrainOn(backbone), data = CopyOfData();
        string[] before = Contents();
        string[] arguments = Arguments(
            command.Replace("BACKBONE", backbone, StringComparison.Ordinal).Replace("MODEL", model, StringComparison.Ordinal), data, other: "");
        Assert.Contains(words, Tool.Run(arguments).Refused(exitCode: 2), StringComparison.Ordinal);
        Assert.Equal(before, Contents());
    }

    [Fact]
    public void Data_in_the_folder_that_training_replaces_is_not_lost()
    {
        string model = TrainOn(Repository.Fixture("bert")), data = Path.Combine(model, "train.csv"), linked = _folder.File("linked");
        File.Copy(trained.Data, data);
        Directory.CreateSymbolicLink(linked, model);
        foreach ((string given, string output) in new[] { (data, model), (Path.Combine(linked, "train.csv"), model), (data, linked) })
        {
            string message = Tool.Run("train", "--data", given, "--backbone", Repository.Fixture("bert"), "--output", output).Refused(exitCode: 2);
            Assert.Contains($"holds {given} (--data {given})", message, StringComparison.Ordinal);
        }
        Assert.True(File.Exists(data));
    }

    [Fact]
    public void Two_outputs_that_are_not_there_yet_may_meet_through_a_linked_folder()
    {
        Directory.CreateDirectory(_folder.File("real"));
        Directory.CreateSymbolicLink(_folder.File("linked"), _folder.File("real"));
        string[] command = ["compare", "--data", trained.Data, "--test", trained.Data, "--backbone", Repository.Fixture("bert")];
        string message = Tool.Run(
            [.. command, "--output", _folder.File("real/page"), "--report", _folder.File("linked/page")]).Refused(exitCode: 2);
        Assert.Contains("is the same as --output", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Pictures_that_are_links_to_the_data_are_refused()
    {
        string data = CopyOfData();
        Directory.CreateDirectory(_folder.File("charts"));
        File.CreateSymbolicLink(_folder.File("charts/classes.svg"), data);
        Tool.Run("evaluate", trained.Model, "--data", data, "--pictures", _folder.File("charts")).Refused(exitCode: 2);
        Assert.Equal(File.ReadAllText(trained.Data), File.ReadAllText(data));
    }

    [Theory]
    [InlineData("< a.csv", "--format csv --output a.csv", "--output a.csv is the file that standard input is read from")]
    [InlineData("< a.csv", "--format csv --output b.csv", "--output b.csv is the file that standard input is read from")]
    [InlineData("< a.csv", "--data - --format csv --output a.csv", "--output a.csv is the file that standard input is read from")]
    [InlineData("< a.csv", "--data /dev/stdin --format csv --output a.csv", "--output a.csv is the same as --data /dev/stdin")]
    [InlineData(">> a.csv", "--data a.csv", "standard output is the same as --data a.csv")]
    [InlineData("2>> a.csv", "--data b.csv", "standard error is the same as --data b.csv")]
    [InlineData("< a.csv >> b.csv", "--format csv", "standard output is the file that standard input is read from")]
    public void Streams_that_the_shell_opened_count_as_the_files_they_are(string redirection, string arguments, string words)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs a shell of Unix");
        string data = CopyOfData("a.csv");
        File.CreateSymbolicLink(_folder.File("b.csv"), data);
        ToolResult result = RunInShell($"\"$DOTNET\" \"$TOOL\" predict \"$MODEL\" {arguments} {redirection}");
        Assert.Equal(2, result.ExitCode);
        Assert.Contains(words, result.Output + result.Error, StringComparison.Ordinal);
        Assert.Equal(File.ReadAllText(trained.Data), File.ReadAllText(data));
    }

    [Theory]
    [InlineData("--output /dev/stdout > out.csv")]
    [InlineData("--output out.csv > out.csv")]
    [InlineData("> out.csv 2>&1 < /dev/null")]
    [InlineData("--output /dev/null --output-format csv < /dev/null; cat \"$DATA\" > out.csv")]
    public void What_harms_nothing_is_allowed(string arguments)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs a shell of Unix");
        ToolResult result = RunInShell($"\"$DOTNET\" \"$TOOL\" predict \"$MODEL\" --data \"$DATA\" {arguments}");
        Assert.True(result.ExitCode == 0, result.Error);
        Assert.Contains("id,text,label,note", File.ReadLines(_folder.File("out.csv")).Select(line => line.Split(",predicted")[0]));
    }

    [Fact]
    public void A_page_may_replace_the_page_that_training_writes()
    {
        string model = TrainOn(Repository.Fixture("bert"));
        string[] training = TrainingOf(Repository.Fixture("bert"), model, trained.Data);
        Tool.Run([.. training, "--report", Path.Combine(model, "report.html"), "--pictures", model]).Succeeded();
        Assert.True(File.Exists(Path.Combine(model, "classes.svg")));
        Tool.Run("evaluate", model, "--data", trained.Data, "--report", Path.Combine(model, "again.html"), "--cache", "none").Succeeded();
        Tool.Run("evaluate", model, "--data", trained.Data, "--report", Path.Combine(model, "again.html"), "--cache", "none").Succeeded();
    }

    [Fact]
    public void Every_option_that_names_a_path_is_declared()
    {
        RootCommand root = CommandLine.CreateRoot(Terminal.Of(Stream.Null, Stream.Null, TextWriter.Null));
        string[] undeclared =
        [
            .. from command in Leaves(root)
               let declared = Assert.IsType<ToolCommand>(command).Files.Declared.ToHashSet()
               from symbol in command.Options.Where(option => NamesPath(option.HelpName)).Concat<Symbol>(
                   command.Arguments.Where(argument => argument.Name is not ("TEXT" or "NAME")))
               where !declared.Contains(symbol)
               select $"{command.Name} {symbol.Name}",
        ];
        Assert.Empty(undeclared);
        Assert.Equal(21, Leaves(root).Count());

        static IEnumerable<Command> Leaves(Command command) =>
            command.Subcommands.Count == 0 ? [command] : command.Subcommands.SelectMany(Leaves);

        static bool NamesPath(string? helpName) =>
            helpName is not null && helpName.Split('|').Any(part => part.StartsWith("FILE", StringComparison.Ordinal) || part == "DIR");
    }

    public void Dispose() => _folder.Dispose();

    private static string[] TrainingOf(string backbone, string model, string data) =>
    [
        "train", "--data", data, "--backbone", backbone, "--output", model, "--depths", "3", "--head", "linear", "--no-words", "--cache", "none",
    ];

    private string TrainOn(string backbone)
    {
        string model = _folder.File("model");
        Tool.Run(TrainingOf(backbone, model, trained.Data)).Succeeded();
        return model;
    }

    private string CopyOfData(string name = "data.csv")
    {
        File.Copy(trained.Data, _folder.File(name));
        return _folder.File(name);
    }

    private string OtherWayTo(string data, string way)
    {
        if (way == "same") return Path.Combine(_folder.Path, ".", Path.GetFileName(data));
        if (way == "linked-folder")
        {
            Directory.CreateSymbolicLink(_folder.File("linked"), _folder.Path);
            return Path.Combine(_folder.File("linked"), Path.GetFileName(data));
        }
        string other = _folder.File("other.csv");
        if (way == "link")
        {
            File.CreateSymbolicLink(other, data);
            return other;
        }
        Assert.SkipWhen(OperatingSystem.IsWindows(), "made by a call that Windows does not have");
        Assert.Equal(0, FileIdentityTests.HardLink(data, other));
        return other;
    }

    private string[] Arguments(string command, string data, string other) =>
    [
        .. command.Split(' ').Select(word => word switch
        {
            "MODEL" => trained.Model,
            "BACKBONE" => Repository.Fixture("bert"),
            "DATA" => data,
            "TEST" => trained.Data,
            "OTHER" => other,
            _ when word.StartsWith("new", StringComparison.Ordinal) || word is "page" || word.StartsWith("charts", StringComparison.Ordinal) =>
                _folder.File(word),
            _ => word,
        }),
    ];

    /// <summary>Every file of the folder with its bytes, links followed.</summary>
    private string[] Contents() =>
    [
        .. Directory.EnumerateFiles(_folder.Path, "*", new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 3 })
            .Order(StringComparer.Ordinal)
            .Select(file => $"{file} {Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(file)))}"),
    ];

    private ToolResult RunInShell(string line) => Tool.RunInShell(_folder.Path, line, ("MODEL", trained.Model), ("DATA", trained.Data));
}
