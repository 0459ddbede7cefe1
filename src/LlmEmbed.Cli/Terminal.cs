using System.Text;
using LlmEmbed.Data;
using LlmEmbed.Files;

namespace LlmEmbed.Cli;

/// <summary>What a run of the tool reads from and writes to: the streams of its process, or those of a caller in the same process.</summary>
internal sealed class Terminal
{
    private readonly Func<Stream> _openInput;
    private readonly Func<Stream> _openOutput;

    private Terminal(Func<Stream> openInput, Func<Stream> openOutput, TextWriter output, TextWriter error)
    {
        _openInput = openInput;
        _openOutput = openOutput;
        Output = output;
        Error = error;
    }

    /// <summary>Takes text for standard output.</summary>
    public TextWriter Output { get; }

    /// <summary>Why some of the text could not be written; null if all of it was.</summary>
    public IOException? OutputFailure => (Output as PrintedOutput)?.Failure;

    /// <summary>Takes text for standard error, from several threads at once.</summary>
    public TextWriter Error { get; }

    /// <summary>Whether standard output is a window, which has a width.</summary>
    public bool IsOutputWindow { get; private init; }

    /// <summary>Whether standard error is a window, in which bars can move.</summary>
    public bool IsErrorWindow { get; private init; }

    /// <summary>What standard input, output and errors are connected to, in this order; null where it is no file of the system.</summary>
    public IReadOnlyList<FileIdentity?> StreamFiles { get; private init; } = [null, null, null];

    /// <summary>The streams of this process.</summary>
    public static Terminal OfProcess()
    {
        bool isWindow = !Console.IsOutputRedirected;
        Func<Stream> openOutput = isWindow ? Console.OpenStandardOutput : () => new StandardOutput();
        return new(Console.OpenStandardInput, openOutput, isWindow ? Console.Out : Printed(openOutput()), Console.Error)
        {
            IsOutputWindow = isWindow,
            IsErrorWindow = !Console.IsErrorRedirected,
            StreamFiles = [.. Enumerable.Range(0, 3).Select(FileIdentity.OfStandardStream)],
        };
    }

    /// <summary>Streams of a caller, none of which is a window.</summary>
    /// <param name="input">Is read as standard input, and closed by the command that reads it.</param>
    /// <param name="output">Takes what goes to standard output, as UTF-8; a command that writes bytes closes it.</param>
    /// <param name="error">Takes what goes to standard error.</param>
    public static Terminal Of(Stream input, Stream output, TextWriter error) =>
        new(() => input, () => output, Printed(output), TextWriter.Synchronized(error));

    /// <summary>Opens a file, or standard input where the path is <c>-</c>.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">How it is to be read.</param>
    public TableReader OpenTable(string path, TableOptions options) =>
        path == "-" ? TableReader.Open(_openInput(), options) : TableReader.Open(path, options);

    /// <summary>Standard output as bytes.</summary>
    public Stream OpenOutput() => _openOutput();

    private static PrintedOutput Printed(Stream output) =>
        new(new StreamWriter(output, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true) { AutoFlush = true });
}
