namespace LlmEmbed.Reading;

/// <summary>What a store holds: the fingerprint as JSON, the texts, shards and bytes that are sound, and the files that are damaged.</summary>
internal sealed record StoreInfo(string Fingerprint, long Texts, int Shards, long FileBytes, IReadOnlyList<string> Damaged);
