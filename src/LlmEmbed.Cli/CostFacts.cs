using System.Diagnostics;

namespace LlmEmbed.Cli;

/// <summary>What a command took, as names and values of a report's page.</summary>
internal static class CostFacts
{
    public static (string Name, string Value) Parameters(TextClassifier classifier) =>
        ("Parameters that run", $"{classifier.ParameterCount / 1e6:0.0} million");

    public static IEnumerable<(string Name, string Value)> Reading(IEnumerable<BackboneReading> reading) =>
        reading.Select(part => ($"Reading with {part.Name}", new EncodingTotals().Add(part.Statistics).Describe(part.MaxTokens)));

    public static (string Name, string Value) Duration(string stage, TimeSpan elapsed) => (stage, $"{elapsed.TotalSeconds:0.0} s");

    public static (string Name, string Value) PeakMemory() => ("Peak memory", $"{PeakMemoryMegabytes():N0} MB");

    public static double PeakMemoryMegabytes()
    {
        using Process process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64 / 1e6;
    }
}
