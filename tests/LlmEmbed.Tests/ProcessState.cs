using Xunit;

namespace LlmEmbed.Tests;

/// <summary>
/// Tests that change what the whole process shares: environment variables, the working folder, the console. They run one after the other, beside no
/// other test.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ProcessState
{
    public const string Name = "process state";

    /// <summary>Sets an environment variable until it is disposed.</summary>
    internal static IDisposable Variable(string name, string? value)
    {
        string? before = Environment.GetEnvironmentVariable(name);
        Environment.SetEnvironmentVariable(name, value);
        return new Restore(() => Environment.SetEnvironmentVariable(name, before));
    }

    /// <summary>Makes a folder the working folder until it is disposed.</summary>
    internal static IDisposable WorkingFolder(string path)
    {
        string before = Environment.CurrentDirectory;
        Environment.CurrentDirectory = path;
        return new Restore(() => Environment.CurrentDirectory = before);
    }

    /// <summary>Collects what is written to standard output until it is disposed.</summary>
    internal static IDisposable Output(out StringWriter written)
    {
        TextWriter before = Console.Out;
        written = new StringWriter();
        Console.SetOut(written);
        return new Restore(() => Console.SetOut(before));
    }

    private sealed class Restore(Action action) : IDisposable
    {
        public void Dispose() => action();
    }
}
