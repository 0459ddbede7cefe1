using LlmEmbed.Engine;

namespace LlmEmbed.Learning;

/// <summary>
/// The co-occurrence head as a graph, and one training step with gradients by hand. B rows of a batch, V views, K their common width, C classes. The
/// graph gives gradients, and Adam runs outside of it: as operators of the graph Adam would pass over parameters and moments ten times, in one loop
/// it passes once.
/// </summary>
internal sealed class CooccurrenceGraph
{
    private const float LeastSquaredLength = 1e-6f;

    private readonly OnnxGraph _graph = new();
    private readonly CooccurrenceShape _shape;
    private readonly CooccurrenceOptions _options;
    private readonly bool _dropout;
    private readonly Dictionary<string, string> _parameters = new(StringComparer.Ordinal);

    // Values of the forward pass that the backward pass reads again.
    private readonly List<string> _views = []; // [B,H] each
    private readonly List<string> _compressed = []; // [B,K] each
    private string _stack = ""; // [B,V,K]
    private string _vectors = ""; // [B,V,K], before they are brought to length 1
    private string _largest = ""; // [B,1,K]
    private string _lengths = ""; // [B,V,1]
    private string _power = ""; // [B,V²]
    private string _fused = ""; // [B,F+H]
    private string _hidden1 = ""; // [B,1024]
    private string _hidden2 = ""; // [B,256]

    private CooccurrenceGraph(CooccurrenceShape shape, CooccurrenceOptions options, bool dropout) =>
        (_shape, _options, _dropout) = (shape, options, dropout);

    public static string ViewName(int view) => $"view.{view}";

    public static string MaskName(string layer) => $"mask.{layer}";

    /// <summary>Logits [B,C] from the views; the parameters are constants of the graph.</summary>
    public static OnnxGraph Inference(CooccurrenceShape shape, CooccurrenceOptions options, IReadOnlyList<HeadTensor> tensors)
    {
        CooccurrenceGraph head = new(shape, options, dropout: false);
        foreach ((string name, long[] size) in shape.Parameters)
        {
            WeightBuffer weight = WeightBuffer.Allocate<float>(size);
            HeadTensor.Take(tensors, name, size).CopyTo(weight.Span<float>());
            head._parameters.Add(name, head._graph.Weight(weight));
        }
        head._graph.Output(head.Forward(), "logits", OnnxType.Float, null, shape.ClassCount);
        return head._graph;
    }

    /// <summary>Logits [B,C] from views and parameters, for the evaluations during training.</summary>
    public static OnnxGraph Evaluation(CooccurrenceShape shape, CooccurrenceOptions options)
    {
        CooccurrenceGraph head = new(shape, options, dropout: false);
        head.AddParameterInputs();
        head._graph.Output(head.Forward(), "logits", OnnxType.Float, null, shape.ClassCount);
        return head._graph;
    }

    /// <summary>
    /// The loss [1] and its gradient by each parameter, from views, dropout masks, targets [B,C] (each row its weight at its class) and parameters.
    /// </summary>
    public static OnnxGraph TrainingStep(CooccurrenceShape shape, CooccurrenceOptions options)
    {
        CooccurrenceGraph head = new(shape, options, dropout: options.Dropout > 0);
        head.AddParameterInputs();
        string logits = head.Forward();
        string targets = head._graph.Input("targets", OnnxType.Float, null, shape.ClassCount);
        string gradient = head.Loss(logits, targets);
        Dictionary<string, string> gradients = head.Backward(gradient);
        foreach ((string name, _) in shape.Parameters) head._graph.Output(gradients[name], $"gradient.{name}", OnnxType.Float);
        return head._graph;
    }

    private void AddParameterInputs()
    {
        foreach ((string name, long[] size) in _shape.Parameters)
            _parameters.Add(name, _graph.Input(name, OnnxType.Float, [.. size.Select(s => (int?)s)]));
    }

    private string Forward()
    {
        for (int view = 0; view < _shape.ViewCount; view++)
            _views.Add(_graph.Input(ViewName(view), OnnxType.Float, null, _shape.Layout.Views[view].Size));

        _fused = _options.Fusion == FusionOperators.None ? _graph.Node("Concat", [.. _views], ("axis", 1)) : Fuse(); // [B,F]
        _hidden1 = ReluLayer("fc1", _fused, _shape.Hidden1);
        _hidden2 = ReluLayer("fc2", _hidden1, _shape.Hidden2);
        return Linear("fc3", _hidden2);
    }

    /// <summary>What the fusion operators make of the views, and the mean of the decoder's raw ones [B,F+H].</summary>
    private string Fuse()
    {
        string[] vectors = [.. _views];
        for (int layer = 0; layer < _shape.CompressedViews.Count; layer++)
        {
            int view = _shape.CompressedViews[layer];
            vectors[view] = ReluLayer(CooccurrenceShape.CompressName(layer), _views[view], _shape.Width); // [B,K]
            _compressed.Add(vectors[view]);
        }

        _stack = Reshape(_graph.Node("Concat", vectors, ("axis", 1)), -1, _shape.ViewCount, _shape.Width); // [B,V,K]
        _vectors = _stack;
        string[] fused = [.. _shape.FusedParts(_options.Fusion).Select(part => part.Operator switch
        {
            FusionOperators.Cooccurrence => Cooccurrence(),
            FusionOperators.Mean => _graph.Node("ReduceMean", [_vectors, Axes(1)], ("keepdims", 0)), // [B,K]
            FusionOperators.Max => Reshape(_largest = _graph.Node("ReduceMax", [_vectors, Axes(1)], ("keepdims", 1)), -1, _shape.Width), // [B,K]
            _ => Reshape(_vectors, -1, _shape.ViewCount * _shape.Width), // [B,VK]
        })];

        string rawMean = _graph.Node("Mean", [.. _shape.DecoderViews.Select(view => _views[view])]); // [B,H]
        return _graph.Node("Concat", [.. fused, rawMean], ("axis", 1));
    }

    /// <summary>The power-normalized Gram matrix [B,V²].</summary>
    private string Cooccurrence()
    {
        if (_options.GramVectors == GramVectors.UnitLength)
        {
            string squares = _graph.Node("ReduceSumSquare", [_stack, Axes(2)], ("keepdims", 1));
            _lengths = _graph.Node("Sqrt", [Add(squares, LeastSquaredLength)]);
            _stack = _graph.Node("Div", [_stack, _lengths]);
        }
        string gram = Reshape(_graph.Node("FusedMatMul", [_stack, _stack], ("transB", 1)), -1, _shape.GramSize); // [B,V²]
        return _power = Add(Scale(_graph.Node("Sigmoid", [Scale(gram, _options.Sigma)]), 2), -1);
    }

    /// <summary>Adds the loss as an output and returns its gradient by the logits.</summary>
    private string Loss(string logits, string targets)
    {
        string weights = _graph.Node("ReduceSum", [targets, Axes(1)], ("keepdims", 1)); // [B,1]
        if (_options.Loss == CooccurrenceLoss.CrossEntropy) return CrossEntropy(logits, targets, weights);
        string probabilities = _graph.Node("Softmax", [logits], ("axis", 1));
        string gradient = CrossEntropy(probabilities, targets, weights);
        string mean = _graph.Node("ReduceSum", [Multiply(probabilities, gradient), Axes(1)], ("keepdims", 1));
        return Multiply(probabilities, _graph.Node("Sub", [gradient, mean]));
    }

    private string CrossEntropy(string scores, string targets, string weights)
    {
        string logLikelihoods = Multiply(_graph.Node("LogSoftmax", [scores], ("axis", 1)), targets);
        _graph.Output(_graph.Node("Neg", [_graph.Node("ReduceSum", [logLikelihoods], ("keepdims", 0))]), "loss", OnnxType.Float);
        return _graph.Node("Sub", [Multiply(_graph.Node("Softmax", [scores], ("axis", 1)), weights), targets]);
    }

    private Dictionary<string, string> Backward(string logitsGradient)
    {
        Dictionary<string, string> gradients = new(StringComparer.Ordinal);
        AddGradients("fc3", logitsGradient, _hidden2);
        string hidden2 = ThroughRelu(_graph.Node("MatMul", [logitsGradient, _parameters["fc3.weight"]]), _hidden2);
        AddGradients("fc2", hidden2, _hidden1);
        string hidden1 = ThroughRelu(_graph.Node("MatMul", [hidden2, _parameters["fc2.weight"]]), _hidden1);
        AddGradients("fc1", hidden1, _fused);
        if (_options.Fusion == FusionOperators.None) return gradients;

        // Only the fused features lead to further parameters; the raw mean does not.
        string? stack = null; // [B,V,K]
        int offset = 0;
        foreach ((FusionOperators part, int size) in _shape.FusedParts(_options.Fusion))
        {
            string weights = _graph.Node("Slice", [_parameters["fc1.weight"], Integers(offset), Integers(offset + size), Integers(1)]); // [1024,size]
            string gradient = ThroughFusion(part, _graph.Node("MatMul", [hidden1, weights])); // [B,V,K], or [B,1,K] that counts for each vector
            stack = stack is null ? _graph.Node("Expand", [gradient, _graph.Node("Shape", [_vectors])]) : _graph.Node("Add", [stack, gradient]);
            offset += size;
        }

        string[] vectors = [.. Enumerable.Range(0, _shape.ViewCount).Select(_ => _graph.NextName("vector"))];
        // [B,K] each.
        _graph.Node("Split", [Reshape(stack!, -1, _shape.ViewCount * _shape.Width)], vectors, ("axis", 1), ("num_outputs", _shape.ViewCount));
        for (int layer = 0; layer < _shape.CompressedViews.Count; layer++)
        {
            int view = _shape.CompressedViews[layer];
            AddGradients(CooccurrenceShape.CompressName(layer), ThroughRelu(vectors[view], _compressed[layer]), _views[view]);
        }
        return gradients;

        void AddGradients(string layer, string outputs, string inputs)
        {
            gradients.Add($"{layer}.weight", _graph.Node("Gemm", [outputs, inputs], ("transA", 1))); // [out,in]
            gradients.Add($"{layer}.bias", _graph.Node("ReduceSum", [outputs, Axes(0)], ("keepdims", 0)));
        }
    }

    /// <summary>From the gradient by an operator's features to that by the vectors.</summary>
    private string ThroughFusion(FusionOperators part, string gradient) => part switch
    {
        FusionOperators.Cooccurrence => ThroughCooccurrence(gradient),
        FusionOperators.Mean => Scale(Reshape(gradient, -1, 1, _shape.Width), 1f / _shape.ViewCount),
        FusionOperators.Max => _graph.Node(
            "Where", [_graph.Node("Equal", [_vectors, _largest]), Reshape(gradient, -1, 1, _shape.Width), _graph.Scalar(0f)]),
        _ => Reshape(gradient, -1, _shape.ViewCount, _shape.Width),
    };

    private string ThroughCooccurrence(string power)
    {
        string slope = Add(Scale(Multiply(_power, _power), -_options.Sigma / 2), _options.Sigma / 2); // of 2·sigmoid(σp) - 1: σ/2 · (1 - power²)
        string gram = Reshape(Multiply(power, slope), -1, _shape.ViewCount, _shape.ViewCount);
        // Each vector is in its row and its column.
        string bothSides = _graph.Node("Add", [gram, _graph.Node("Transpose", [gram], ("perm", [0L, 2, 1]))]);
        string stack = _graph.Node("MatMul", [bothSides, _stack]); // [B,V,K]
        if (_options.GramVectors == GramVectors.UnitLength)
        {
            string alongVector = _graph.Node("ReduceSum", [Multiply(stack, _stack), Axes(2)], ("keepdims", 1));
            stack = _graph.Node("Div", [_graph.Node("Sub", [stack, Multiply(_stack, alongVector)]), _lengths]);
        }
        return stack;
    }

    private string Linear(string layer, string inputs) =>
        _graph.Node("Gemm", [inputs, _parameters[$"{layer}.weight"], _parameters[$"{layer}.bias"]], ("transB", 1));

    /// <summary>A linear layer, ReLU, and in training dropout by a mask of zeros and 1 / (1 - dropout).</summary>
    private string ReluLayer(string layer, string inputs, int outputs)
    {
        string active = _graph.Node("Relu", [Linear(layer, inputs)]);
        return _dropout ? Multiply(active, _graph.Input(MaskName(layer), OnnxType.Float, null, outputs)) : active;
    }

    /// <summary>The gradient before ReLU and dropout: both let it pass just where their result is positive.</summary>
    private string ThroughRelu(string gradient, string result)
    {
        if (_dropout) gradient = Scale(gradient, 1 / (1 - _options.Dropout));
        return _graph.Node("Where", [_graph.Node("Greater", [result, _graph.Scalar(0f)]), gradient, _graph.Scalar(0f)]);
    }

    private string Multiply(string left, string right) => _graph.Node("Mul", [left, right]);

    private string Scale(string values, float factor) => Multiply(values, _graph.Scalar(factor));

    private string Add(string values, float term) => _graph.Node("Add", [values, _graph.Scalar(term)]);

    private string Reshape(string values, params long[] shape) => _graph.Node("Reshape", [values, _graph.Constant<long>(shape, shape.Length)]);

    private string Axes(long axis) => Integers(axis);

    private string Integers(long value) => _graph.Constant<long>([value], 1);
}
