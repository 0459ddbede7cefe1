using System.Text;
using System.Text.Json;

namespace LlmEmbed.Checkpoints;

/// <summary>What a key of config.json means that no architecture has read.</summary>
internal enum KeyVerdict
{
    /// <summary>It changes no hidden state.</summary>
    Plain,

    /// <summary>It is known, and asks for something that is not implemented.</summary>
    NotImplemented,

    /// <summary>It is not known, and its name speaks of what a model computes.</summary>
    Doubtful,

    /// <summary>It is not known, and its name speaks of something else.</summary>
    Unknown,
}

/// <summary>
/// The keys of config.json that an architecture need not read: those that transformers' configuration classes, older versions of it, and well-known
/// exporters write. A key that an architecture reads is decided there and never reaches this table.
/// </summary>
internal static class ConfigKeys
{
    /// <summary>
    /// The table. A key without values changes no hidden state. A key with values changes none if it has one of them (the first is the default);
    /// null, which stands for "not given", passes everywhere.
    /// </summary>
    private static readonly Dictionary<string, string[]> Table = Rows().ToDictionary(row => row.Key, row => row.Values, StringComparer.Ordinal);

    /// <summary>Words of a key's name that speak of what a model computes.</summary>
    private static readonly HashSet<string> Mathematics = Words(
        """
        act activation activations alibi attend attention attentions attn bias biases bidirectional bits block blocks cap causal clip conv convolution
        depth direction embed embedding embeddings emb eps epsilon expert experts factor factors feed ffn forward frequency frequencies gate gated
        gates gating gelu glu head heads hidden interleave interleaved intermediate kernel key keys kv layer layernorm layers logit logits lora mask
        masked masking masks mixture mlp moe mrope multiplier multipliers norm normalization normalize normalized norms ntk pos position positional
        positions prenorm qk qkv quant quantization quantized query queries recurrent relative relu residual residuals rms rmsnorm rope rotary router
        routing scale scaled scales scaling shift silu skip sliding softcap softcapping softmax sparse sparsity stride swiglu temperature theta value
        values width window windowed windows yarn
        """);

    /// <summary>Words of a key's name that speak of training alone.</summary>
    private static readonly HashSet<string> Training = Words("dropout pdrop layerdrop");

    /// <summary>Judges a key that nobody read.</summary>
    /// <param name="place">The key, with the keys of the objects around it.</param>
    /// <param name="value">Its value.</param>
    /// <param name="plain">The values that are implemented, if the verdict is <see cref="KeyVerdict.NotImplemented"/>.</param>
    public static KeyVerdict Judge(string place, JsonElement value, out IReadOnlyList<string> plain)
    {
        plain = [];
        if (value.ValueKind == JsonValueKind.Null) return KeyVerdict.Plain;
        if (Table.TryGetValue(place, out string[]? values) || (Table.TryGetValue(place.Split('.')[^1], out values) && values.Length > 0))
        {
            plain = values;
            return values.Length == 0 || values.Any(one => Equal(one, value)) ? KeyVerdict.Plain : KeyVerdict.NotImplemented;
        }
        // An empty list or object gives nothing to compute with. False may switch off what is on by default, so it does not pass.
        if (IsEmpty(value)) return KeyVerdict.Plain;
        List<string> words = WordsOf(place);
        return words.Exists(Training.Contains) ? KeyVerdict.Plain : words.Exists(Mathematics.Contains) ? KeyVerdict.Doubtful : KeyVerdict.Unknown;
    }

    private static IEnumerable<(string Key, string[] Values)> Rows()
    {
        static IEnumerable<(string Key, string[] Values)> Harmless(string keys) => Words(keys).Select(key => (key, Array.Empty<string>()));

        return
        [
            // Every configuration of transformers: where a model comes from, how it is stored, what it returns.
            .. Harmless(
                """
                _attn_implementation _attn_implementation_autoset _attn_implementation_internal _commit_hash _experts_implementation
                _flash_attn_2_enabled _name_or_path _num_labels add_pooling_layer architectures attn_implementation auto_map base_model_ep_plan
                base_model_pp_plan base_model_tp_plan cache_implementation chunk_size_feed_forward custom_pipelines dtype finetuning_task
                gradient_checkpointing id2label keys_to_ignore_at_inference label2id loss_type model_type name_or_path num_labels output_attentions
                output_hidden_states output_past output_router_logits pretraining_tp problem_type return_dict task_specific_params tf_legacy_loss
                tie_encoder_decoder tie_weights_ tie_word_embeddings tokenizer_class torch_dtype torchscript transformers_version use_bfloat16
                use_cache use_return_dict vocab_size xla_device
                """),
            // Tokens, which the tokenizer's own files decide.
            .. Harmless(
                """
                bos_token bos_token_id bos_token_ids cls_token cls_token_id decoder_start_token_id eos_token eos_token_id eos_token_ids
                forced_bos_token_id forced_eos_token_id mask_token mask_token_id model_max_length pad_token pad_token_id pad_token_ids
                padding_side sep_token sep_token_id tokenizer_model_max_length tokenizer_padding_side unk_token unk_token_id
                """),
            // How text is generated, which versions 2 to 4 of transformers wrote into every config.json.
            .. Harmless(
                """
                bad_words_ids begin_suppress_tokens diversity_penalty do_sample early_stopping encoder_no_repeat_ngram_size
                exponential_decay_length_penalty force_bos_token_to_be_generated length_penalty max_length max_new_tokens min_length
                no_repeat_ngram_size num_beam_groups num_beams num_return_sequences output_scores prefix remove_invalid_values repetition_penalty
                return_dict_in_generate suppress_tokens temperature top_k top_p typical_p
                """),
            // How a model was trained.
            .. Harmless(
                "init_std initializer_cutoff_factor initializer_factor initializer_range max_sequence_length n_ctx seq_length use_flash_attn"),
            // What stands above the last hidden state: classes, summaries, pooling of other kinds, the language-model head.
            .. Harmless(
                """
                emb_size final_logit_softcapping is_matryoshka language logits_scaling matryoshka_dimensions name pooler_fc_size
                pooler_hidden_act pooler_hidden_size pooler_num_attention_heads pooler_num_fc_layers pooler_size_per_head pooler_type
                summary_activation summary_first_dropout summary_last_dropout summary_mode summary_proj_to_labels summary_type summary_use_proj
                """),
            // ModernBERT's classes, its language-model head and how it was trained and compiled.
            .. Harmless(
                """
                classifier_activation classifier_bias classifier_pooling decoder_bias reference_compile repad_logits_with_grad
                sparse_pred_ignore_index sparse_prediction
                """),
            // EuroBERT's classes.
            .. Harmless("clf_pooling"),
            // How Nomic BERT's own code computes the same, and how it was trained.
            .. Harmless(
                """
                dense_seq_output fused_bias_fc fused_dropout_add_ln pad_vocab_size_multiple parallel_block_tied_norm reorder_and_upcast_attn
                use_xentropy
                """),
            // Tokens that stand for pictures, of which a text has none.
            .. Harmless("boi_token_index eoi_token_index image_token_index mm_tokens_per_image"),
            // Exporters and trainers: sentence-transformers, transformers.js, optimum, unsloth.
            .. Harmless(
                """
                export_model_type is_llama_config neuron sbert_ce_default_activation_function sentence_transformers transformers.js_config
                unsloth_fixed unsloth_version
                """),
            // Kernels that compute the same.
            .. Harmless("deterministic_flash_attn pack_qkv unpad_inputs use_flash_attention use_flash_attention_2 use_memory_efficient_attention"),
            // Qwen's first blocks with a window: of use only with use_sliding_window.
            .. Harmless("max_window_layers"),

            // What changes hidden states, with the values that do not.
            ("adapters", ["{}"]),
            ("add_cross_attention", ["false"]),
            ("attn_logit_softcapping", ["null"]),
            ("compression_config", ["null"]),
            ("cross_attention_hidden_size", ["null"]),
            ("directionality", ["\"bidi\""]),
            ("embedding_multiplier", ["1"]),
            ("full_attention", ["{}"]), // rope_parameters by layer type
            ("full_attn_mod", ["1"]), // Phi-4-mini
            ("interpolate_factor", ["1"]), // Phi-4-mini
            ("is_decoder", ["false"]),
            ("is_encoder_decoder", ["false"]),
            ("lm_head_bias", ["false"]),
            ("mrope_section", ["null"]),
            ("num_experts", ["0"]),
            ("num_local_experts", ["0"]),
            ("original_max_position_embeddings", ["null"]),
            ("partial_rotary_factor", ["1"]),
            ("position_embedding_type", ["\"absolute\""]),
            ("pruned_heads", ["{}"]),
            ("quantization", ["null"]),
            ("quantization_config", ["null"]),
            ("residual_multiplier", ["1"]),
            ("rope_interleaved", ["false"]),
            ("rotary_pct", ["1"]),
            ("sliding_attention", ["{}"]), // rope_parameters by layer type
            ("text_config", ["{}"]),
            ("use_mrope", ["false"]),
            ("use_sliding_window", ["false"]),
            ("vision_config", ["{}"]),
        ];
    }

    private static bool Equal(string plain, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => double.TryParse(plain, System.Globalization.CultureInfo.InvariantCulture, out double number)
            && number == value.GetDouble(),
        JsonValueKind.Object or JsonValueKind.Array => plain == "{}" && IsEmpty(value),
        _ => value.GetRawText() == plain,
    };

    /// <summary>Whether a list or an object holds nothing, or only such lists and objects.</summary>
    private static bool IsEmpty(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject().All(property => IsEmpty(property.Value)),
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Null => true,
        _ => false,
    };

    /// <summary>The words of a name in lower case. They end at anything but a letter, and before a capital that follows a small letter.</summary>
    private static List<string> WordsOf(string name)
    {
        StringBuilder separated = new();
        char before = '_';
        foreach (char character in name)
        {
            if (char.IsAsciiLetterUpper(character) && char.IsAsciiLetterLower(before)) separated.Append(' ');
            separated.Append(char.IsAsciiLetter(character) ? char.ToLowerInvariant(character) : ' ');
            before = character;
        }
        return [.. separated.ToString().Split(' ', StringSplitOptions.RemoveEmptyEntries)];
    }

    private static HashSet<string> Words(string text) => [.. text.Split([' ', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries)];
}
