using Xunit;

namespace LlmEmbed.Tests.Cli;

/// <summary>Nothing leaves the machine, and nothing is written but where the user said.</summary>
public sealed class QuietProcessTests : IDisposable
{
    private const string Strace = "/usr/bin/strace";

    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void The_home_folder_stays_empty_and_no_socket_is_opened()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "HOME is a variable of Unix");
        string data = _folder.Write("data.csv", LabeledTexts.Csv(LabeledTexts.Take(30)));
        string home = Directory.CreateDirectory(_folder.File("home")).FullName;
        string backbone = Repository.Fixture("bert"), model = _folder.File("model"), states = _folder.File("states.safetensors");
        string[][] commands =
        [
            ["train", "--data", data, "--backbone", backbone, "--output", model, "--depths", "3", "--head", "linear", "--no-words"],
            ["embed", "--data", data, "--backbone", backbone, "--output", states, "--precision", "int8"],
            ["predict", model, "a fine story"],
        ];
        foreach (string[] command in commands)
        {
            Run(home, [.. command, "--cache", "none"]);
            Assert.Empty(Directory.EnumerateFileSystemEntries(home));
            Run(home, [.. command, "--cache", _folder.File("cache")]);
            Assert.Empty(Directory.EnumerateFileSystemEntries(home));
        }
        Run(home, "predict", model, "a fine story");
        Assert.Equal([Path.Combine(home, ".cache")], Directory.EnumerateFileSystemEntries(home));
        Assert.Equal([Path.Combine(home, ".cache", "llmembed")], Directory.EnumerateFileSystemEntries(Path.Combine(home, ".cache")));
        Assert.SkipUnless(File.Exists(Strace), $"the part about sockets needs {Strace}; the part about files passed");
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>Runs the tool; where strace is there, also with every socket watched.</summary>
    private void Run(string home, params IReadOnlyList<string> arguments)
    {
        string log = _folder.File("sockets");
        string[] watch = File.Exists(Strace) ? [Strace, "-f", "-qq", "-e", "trace=socket,connect", "-o", log] : [];
        string[] words = [.. watch, Tool.Host, Tool.Library, .. arguments];
        (string, string?)[] environment = [("HOME", home), ("XDG_CACHE_HOME", null), ("XDG_DATA_HOME", null), ("ORT_DISABLE_TELEMETRY", null)];
        Tool.RunProgram(_folder.Path, environment, words[0], words[1..]).Succeeded();
        if (watch.Length > 0) Assert.DoesNotContain("AF_INET", File.ReadAllText(log), StringComparison.Ordinal);
    }
}
