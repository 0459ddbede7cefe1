using Microsoft.ML.OnnxRuntime;

namespace LlmEmbed.Engine;

/// <summary>
/// Weights that several sessions share. Each weight is made once, whichever session asks for it first. The copy that ONNX Runtime arranges for its
/// matrix products ("pre-packed weights") is shared as well, so that graphs of other depths, views or numbers of threads over the same backbone take
/// no further memory for weights. All methods may be called from several threads at once.
/// </summary>
internal sealed class WeightStore : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, WeightBuffer> _weights = new(StringComparer.Ordinal);
    private readonly PrePackedWeightsContainer _prePacked = new();
    private int _sessions;
    private bool _disposed;

    /// <summary>
    /// The weight of a name. The store keeps ownership: what is returned must not be disposed and is valid as long as the store is.
    /// </summary>
    /// <param name="name">Stands for the values and their layout: the same name must always mean the same weight.</param>
    /// <param name="make">Makes the weight if the store does not have it yet. The store takes it over.</param>
    public WeightBuffer Get(string name, Func<WeightBuffer> make)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (!_weights.TryGetValue(name, out WeightBuffer? weight)) _weights.Add(name, weight = make());
            return weight.Share();
        }
    }

    /// <summary>
    /// Frees the weights. Sessions that still use them keep them in memory until the last of these sessions is disposed, so the order of disposal
    /// does not matter. Weights that are views of a mapped file end with that file.
    /// </summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed) return;
            _disposed = true;
            if (_sessions == 0) Free();
        }
    }

    /// <summary>Keeps the weights in memory until <see cref="Leave"/> is called.</summary>
    /// <returns>What sessions are created with in order to share pre-packed weights.</returns>
    internal PrePackedWeightsContainer Enter()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _sessions++;
            return _prePacked;
        }
    }

    /// <summary>Called once for each call of <see cref="Enter"/>, when the session no longer uses the weights.</summary>
    internal void Leave()
    {
        lock (_lock)
        {
            if (--_sessions == 0 && _disposed) Free();
        }
    }

    private void Free()
    {
        _prePacked.Dispose();
        foreach (WeightBuffer weight in _weights.Values) weight.Dispose();
    }
}
