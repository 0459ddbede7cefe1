using System.Diagnostics;
using System.Globalization;

namespace LlmEmbed.Comparison;

/// <summary>What a piece of work cost.</summary>
/// <param name="Seconds">Wall-clock time.</param>
/// <param name="CpuSeconds">Processor time of this process, all threads together.</param>
/// <param name="Joules">Energy of the processor package.</param>
public readonly record struct Cost(double Seconds, double CpuSeconds, double Joules)
{
    /// <summary>The cost of so many times the work.</summary>
    public static Cost operator *(Cost cost, double factor) => new(cost.Seconds * factor, cost.CpuSeconds * factor, cost.Joules * factor);

    /// <summary>The cost of both.</summary>
    public static Cost operator +(Cost a, Cost b) => new(a.Seconds + b.Seconds, a.CpuSeconds + b.CpuSeconds, a.Joules + b.Joules);
}

/// <summary>
/// Measures wall-clock time, processor time and energy. Energy comes from the processor's RAPL counters; where they cannot be read it is estimated.
/// </summary>
internal sealed class CostMeter
{
    /// <summary>
    /// What the estimate assumes of a busy core, its share of caches and memory included: about a server processor's power limit by its cores.
    /// </summary>
    public const double AssumedWattsPerCore = 5;

    private const string RaplFolder = "/sys/class/powercap";

    /// <summary>Packages only: their sub-zones are parts of them.</summary>
    private static readonly string[] Packages =
        Directory.Exists(RaplFolder)
            ? [.. Directory.EnumerateDirectories(RaplFolder, "intel-rapl:*").Where(zone => zone.Count(c => c == ':') == 1 && CanRead(zone))]
            : [];

    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly TimeSpan _cpu = CpuTime();
    private readonly long[] _energy = ReadCounters();

    /// <summary>Whether energy is measured and not estimated.</summary>
    public static bool MeasuresEnergy => Packages.Length > 0;

    /// <summary>How energy was found, for people.</summary>
    public static string EnergySource => MeasuresEnergy
        ? "energy of the processor packages by their RAPL counters, everything that ran on them included"
        : string.Create(
            CultureInfo.InvariantCulture, $"energy estimated as processor time × {AssumedWattsPerCore} W, since this system shows no RAPL counters");

    /// <summary>Since the meter was made.</summary>
    public Cost Read()
    {
        double cpuSeconds = (CpuTime() - _cpu).TotalSeconds;
        double joules = MeasuresEnergy
            ? Packages.Select((zone, i) => Difference(zone, _energy[i], ReadCounter(zone))).Sum() / 1e6
            : cpuSeconds * AssumedWattsPerCore;
        return new Cost(Stopwatch.GetElapsedTime(_start).TotalSeconds, cpuSeconds, joules);
    }

    private static TimeSpan CpuTime()
    {
        using Process process = Process.GetCurrentProcess();
        return process.TotalProcessorTime;
    }

    private static long[] ReadCounters() => [.. Packages.Select(ReadCounter)];

    /// <summary>Microjoules.</summary>
    private static long ReadCounter(string zone) => long.Parse(File.ReadAllText(Path.Combine(zone, "energy_uj")), CultureInfo.InvariantCulture);

    /// <summary>The counter starts over at its range.</summary>
    private static double Difference(string zone, long before, long after) =>
        after >= before
            ? after - before
            : after - before + long.Parse(File.ReadAllText(Path.Combine(zone, "max_energy_range_uj")), CultureInfo.InvariantCulture);

    private static bool CanRead(string zone)
    {
        try
        {
            return ReadCounter(zone) >= 0;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or FormatException)
        {
            return false;
        }
    }
}
