using System.Security.Cryptography;
using System.Text;

namespace LlmEmbed.Server;

/// <summary>The keys that open the server. A comparison takes the same time whatever is compared.</summary>
internal sealed class ApiKeys(IReadOnlyList<string> keys)
{
    private const string Scheme = "Bearer ";

    private readonly byte[][] _hashes = [.. keys.Select(Hash)];

    /// <param name="authorization">The header "Authorization"; null if there is none.</param>
    public bool Admits(string? authorization)
    {
        if (_hashes.Length == 0) return true;
        if (authorization?.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) != true) return false;
        byte[] given = Hash(authorization[Scheme.Length..].Trim());
        bool isKnown = false;
        foreach (byte[] hash in _hashes) isKnown |= CryptographicOperations.FixedTimeEquals(hash, given); // all of them, always
        return isKnown;
    }

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
