using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using LlmEmbed.Cli;
using Xunit;

namespace LlmEmbed.Tests.Cli;

/// <summary>
/// The command-line tool: in this process where a test is about what the tool says and writes, because a process of its own takes a second to start;
/// as a process of its own where the test is about signals, pipes or what differs from process to process, such as the order of hash tables.
/// </summary>
internal static class Tool
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    /// <summary>The built tool.</summary>
    public static string Library { get; } = Path.Combine(AppContext.BaseDirectory, "llmembed.dll");

    /// <summary>Runs the tool in this process, with an empty standard input.</summary>
    public static ToolResult Run(params IEnumerable<string> arguments) => RunWithInput("", arguments);

    /// <inheritdoc cref="Run"/>
    public static ToolResult RunWithInput(string input, params IEnumerable<string> arguments)
    {
        using MemoryStream output = new();
        using StringWriter error = new();
        Terminal terminal = Terminal.Of(new MemoryStream(Encoding.UTF8.GetBytes(input)), output, error);
        int exitCode = CommandLine.RunAsync([.. arguments], terminal, TestContext.Current.CancellationToken).GetAwaiter().GetResult();
        return new ToolResult(exitCode, Encoding.UTF8.GetString(output.ToArray()), error.ToString());
    }

    /// <summary>Runs the built tool as a process of its own, with its standard streams as pipes.</summary>
    public static ToolResult RunProcess(string input, params IEnumerable<string> arguments)
    {
        using Process process = Start(arguments);
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        return Finish(process);
    }

    /// <summary>Starts the built tool as a process and leaves it running.</summary>
    public static Process Start(params IEnumerable<string> arguments) =>
        StartProgram(Host, [Library, .. arguments]);

    /// <summary>Starts any program with its streams in the test's hands.</summary>
    public static Process StartProgram(string program, params IEnumerable<string> arguments) => Process.Start(new ProcessStartInfo(program, arguments)
    {
        UseShellExecute = false,
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
        StandardInputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false),
        StandardOutputEncoding = Encoding.UTF8,
        StandardErrorEncoding = Encoding.UTF8,
    })!;

    /// <summary>The program that runs the built tool.</summary>
    public static string Host => Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";

    /// <summary>Runs any program with an empty standard input.</summary>
    /// <param name="folder">Its working folder.</param>
    /// <param name="environment">Variables that it has beside those of this process; a null removes one.</param>
    /// <param name="program">The program.</param>
    /// <param name="arguments">Its arguments.</param>
    public static ToolResult RunProgram(
        string folder, IEnumerable<(string Name, string? Value)> environment, string program, params IEnumerable<string> arguments)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            WorkingDirectory = folder,
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string? value) in environment)
        {
            start.Environment.Remove(name);
            if (value is not null) start.Environment[name] = value;
        }
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        return Finish(process);
    }

    /// <summary>Runs a line of a shell in which DOTNET and TOOL are the words that start the tool.</summary>
    public static ToolResult RunInShell(string folder, string line, params IEnumerable<(string Name, string? Value)> environment) =>
        RunProgram(folder, [("DOTNET", Host), ("TOOL", Library), .. environment], "/bin/sh", "-c", line);

    /// <summary>Whether a program is there and ends with 0.</summary>
    public static bool CanRun(string program, params string[] arguments)
    {
        try
        {
            return RunProgram(AppContext.BaseDirectory, [], program, arguments).ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    /// <summary>Waits for the end of a started program.</summary>
    public static ToolResult Finish(Process process)
    {
        // Both at once: a process whose one pipe is full waits for its reader.
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Patience))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"llmembed did not end within {Patience}.");
        }
        Task.WaitAll(output, error);
        return new ToolResult(process.ExitCode, output.Result, error.Result);
    }
}

/// <summary>How a run of the tool ended.</summary>
internal sealed record ToolResult(int ExitCode, string Output, string Error)
{
    /// <summary>The lines of standard error, without the one that says how a file was read.</summary>
    public static string[] Complaints(string error) =>
        [.. error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => !line.Contains(": text in '", StringComparison.Ordinal))];

    public string[] Lines => Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public JsonNode Json => JsonNode.Parse(Output)!;

    public JsonNode[] JsonLines => Lines.Select(line => JsonNode.Parse(line)!).ToArray();

    /// <summary>The result itself, after the check that nothing went wrong.</summary>
    public ToolResult Succeeded()
    {
        Assert.True(ExitCode == 0, $"exit code {ExitCode}: {Error}");
        return this;
    }

    /// <summary>The one line with which the tool refused.</summary>
    public string Refused(int exitCode = 1)
    {
        Assert.Equal(exitCode, ExitCode);
        Assert.Empty(Output);
        return Assert.Single(Complaints(Error), line => line.StartsWith("llmembed: ", StringComparison.Ordinal));
    }
}
