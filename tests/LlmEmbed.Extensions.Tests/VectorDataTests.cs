using System.Linq.Expressions;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.VectorData;
using Microsoft.Extensions.VectorData.ProviderServices;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.Data;
using Xunit;

#pragma warning disable MEVD9001, SKEXP0001 // parts for those who write stores, and the text search of Semantic Kernel, may still change

namespace LlmEmbed.Tests;

/// <summary>
/// Microsoft.Extensions.VectorData and Semantic Kernel find the registered generator and let it embed. The store itself is one of a few lines: it
/// asks the abstractions for the vectors, as every store does.
/// </summary>
public sealed class VectorDataTests
{
    private static readonly Note[] Notes =
    [
        new() { Id = "1", Text = "my parcel is late", Source = "mail" },
        new() { Id = "2", Text = "the invoice is wrong" },
        new() { Id = "3", Text = "where is the courier with my parcel" },
    ];

    [Fact]
    public async Task A_store_embeds_records_and_questions_by_the_generator()
    {
        using TextEncoder encoder = Models.Encoder();
        CountingEncoder counting = new(encoder);
        using LlmEmbedEmbeddingGenerator generator = counting.AsEmbeddingGenerator();
        using ListCollection notes = new(generator);
        await notes.UpsertAsync(Notes, Models.Cancellation);
        Assert.Equal(Notes.Length, counting.Texts);
        List<VectorSearchResult<Note>> found = await ToListAsync(notes.SearchAsync("my parcel is late", 2, options: null, Models.Cancellation));
        Assert.Equal(Notes.Length + 1, counting.Texts);
        Assert.Equal((2, "1"), (found.Count, found[0].Record.Id));
        Assert.Equal(1, found[0].Score!.Value, 1e-5);
        float expected = TensorPrimitives.Dot(Vector(Notes[0].Text), Vector(found[1].Record.Text));
        Assert.Equal(expected, found[1].Score!.Value, 1e-5);

        float[] Vector(string text) => Models.UnitVector(encoder.Encode([text], progress: null, Models.Cancellation)[0]);
    }

    [Fact]
    public async Task A_kernel_has_the_registered_generator_and_searches_texts_with_it()
    {
        IKernelBuilder builder = Kernel.CreateBuilder();
        builder.Services.AddSingleton(Models.Runtime).AddLlmEmbedEmbeddingGenerator(Models.Backbone);
        Kernel kernel = builder.Build();
        var generator = kernel.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();
        using ListCollection notes = new(generator);
        await notes.UpsertAsync(Notes, Models.Cancellation);
        ITextSearch<Note> search = new VectorStoreTextSearch<Note>(notes);
        KernelSearchResults<TextSearchResult> found = await search.GetTextSearchResultsAsync(
            "my parcel is late", new TextSearchOptions<Note> { Top = 1 }, Models.Cancellation);
        TextSearchResult best = Assert.Single(await ToListAsync(found.Results));
        Assert.Equal(("my parcel is late", "mail"), (best.Value, best.Name));
        await ((ServiceProvider)kernel.Services).DisposeAsync();
    }

    private static async Task<List<T>> ToListAsync<T>(IAsyncEnumerable<T> items)
    {
        List<T> list = [];
        await foreach (T item in items) list.Add(item);
        return list;
    }

    /// <summary>A record whose text is embedded by whoever stores it.</summary>
    private sealed class Note
    {
        [VectorStoreKey]
        public string Id { get; set; } = "";

        [VectorStoreData]
        [TextSearchResultValue]
        public string Text { get; set; } = "";

        [VectorStoreData]
        [TextSearchResultName]
        public string Source { get; set; } = "";

        [VectorStoreVector(32, DistanceFunction = DistanceFunction.DotProductSimilarity)]
        public string Vector => Text;
    }

    /// <summary>A collection in a list.</summary>
    private sealed class ListCollection(IEmbeddingGenerator generator) : VectorStoreCollection<string, Note>
    {
        private readonly CollectionModel _model = new ModelBuilder().Build(typeof(Note), typeof(string), definition: null, generator);
        private readonly List<(Note Record, ReadOnlyMemory<float> Vector)> _records = [];

        public override string Name => "notes";

        public override async Task UpsertAsync(IEnumerable<Note> records, CancellationToken cancellationToken = default)
        {
            Note[] all = [.. records];
            IReadOnlyList<Embedding> embeddings = await _model.VectorProperty.GenerateEmbeddingsAsync(
                all.Select(note => _model.VectorProperty.GetValueAsObject(note)), cancellationToken);
            _records.AddRange(all.Zip(embeddings, (note, embedding) => (note, ((Embedding<float>)embedding).Vector)));
        }

        public override async IAsyncEnumerable<VectorSearchResult<Note>> SearchAsync<TInput>(
            TInput searchValue,
            int top,
            VectorSearchOptions<Note>? options = null,
            [EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            Embedding<float> asked = (Embedding<float>)(await _model.VectorProperty.GenerateEmbeddingAsync(searchValue, cancellationToken))!;
            foreach (VectorSearchResult<Note> result in _records
                .Select(pair => new VectorSearchResult<Note>(pair.Record, TensorPrimitives.Dot(asked.Vector.Span, pair.Vector.Span)))
                .OrderByDescending(result => result.Score).Take(top))
                yield return result;
        }

        public override Task UpsertAsync(Note record, CancellationToken cancellationToken = default) => UpsertAsync([record], cancellationToken);

        public override Task<bool> CollectionExistsAsync(CancellationToken cancellationToken = default) => Task.FromResult(true);

        public override Task EnsureCollectionExistsAsync(CancellationToken cancellationToken = default) => Task.CompletedTask;

        public override Task EnsureCollectionDeletedAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public override Task<Note?> GetAsync(string key, RecordRetrievalOptions? options = null, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException();

        public override IAsyncEnumerable<Note> GetAsync(
            Expression<Func<Note, bool>> filter, int top, FilteredRecordRetrievalOptions<Note>? options = null,
            CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public override Task DeleteAsync(string key, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public override object? GetService(Type serviceType, object? serviceKey = null) => null;
    }

    /// <summary>What the list can hold.</summary>
    private sealed class ModelBuilder() : CollectionModelBuilder(new() { SupportsMultipleVectors = false, RequiresAtLeastOneVector = true })
    {
        protected override bool IsDataPropertyTypeValid(Type type, out string supportedTypes)
        {
            supportedTypes = "string";
            return type == typeof(string);
        }

        protected override bool IsVectorPropertyTypeValid(Type type, out string supportedTypes)
        {
            supportedTypes = "Embedding<float>";
            return type == typeof(Embedding<float>);
        }
    }
}
