using System.CommandLine;

namespace LlmEmbed.Cli;

/// <summary>A command of the tool. It does not begin before its paths have been checked against each other.</summary>
internal sealed class ToolCommand(Terminal terminal, string name, string description) : Command(name, description)
{
    /// <summary>The paths that its options and arguments name.</summary>
    public CommandFiles Files { get; } = new(terminal);

    /// <summary>Sets what the command does.</summary>
    /// <param name="action">Returns the exit code.</param>
    public void Run(Func<ParseResult, CancellationToken, int> action) => SetAction((parsed, cancellationToken) =>
    {
        Files.RefuseOverwriting(parsed);
        return Task.FromResult(action(parsed, cancellationToken));
    });
}
