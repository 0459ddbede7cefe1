using System.Text.Json.Nodes;
using LlmEmbed.Checkpoints;
using LlmEmbed.Models;
using Xunit;

namespace LlmEmbed.Tests.Checkpoints;

/// <summary>The keys and values that well-known models have in their config.json. Each file is read without a word about it.</summary>
public sealed class PublishedConfigTests : IDisposable
{
    private const string BertBase = """
        "attention_probs_dropout_prob":0.1,"hidden_act":"gelu","hidden_dropout_prob":0.1,"hidden_size":768,"initializer_range":0.02,
        "intermediate_size":3072,"max_position_embeddings":512,"model_type":"bert","num_attention_heads":12,"num_hidden_layers":12,"type_vocab_size":2
        """;

    private const string OldPooler = """
        "directionality":"bidi","pooler_fc_size":768,"pooler_num_attention_heads":12,"pooler_num_fc_layers":3,"pooler_size_per_head":128,
        "pooler_type":"first_token_transform"
        """;

    /// <summary>Of Phi-4-mini's 48 pairs of turned channels.</summary>
    private static readonly string Factors = string.Join(',', Enumerable.Repeat("1.0", 48));

    /// <summary>Of SmolLM3's 36 blocks.</summary>
    private static readonly string FullAttention = string.Join(',', Enumerable.Repeat("\"full_attention\"", 36));

    /// <inheritdoc cref="FullAttention"/>
    private static readonly string NoRope = string.Join(',', Enumerable.Repeat("1,1,1,0", 9));

    private static readonly (string Name, string Json)[] Encoders =
    [
        ("distilbert-base-uncased", """
            {"activation":"gelu","architectures":["DistilBertForMaskedLM"],"attention_dropout":0.1,"dim":768,"dropout":0.1,"hidden_dim":3072,
             "initializer_range":0.02,"max_position_embeddings":512,"model_type":"distilbert","n_heads":12,"n_layers":6,"pad_token_id":0,
             "qa_dropout":0.1,"seq_classif_dropout":0.2,"sinusoidal_pos_embds":false,"tie_weights_":true,"transformers_version":"4.10.0.dev0",
             "vocab_size":30522}
            """),
        ("bert-base-multilingual-cased", $$"""
            {"architectures":["BertForMaskedLM"],{{BertBase}},{{OldPooler}},"layer_norm_eps":1e-12,"pad_token_id":0,"vocab_size":119547,
             "position_embedding_type":"absolute","transformers_version":"4.6.0.dev0","use_cache":true}
            """),
        ("bert-base-chinese", $$"""
            {"architectures":["BertForMaskedLM"],{{BertBase}},{{OldPooler}},"layer_norm_eps":1e-12,"pad_token_id":0,"vocab_size":21128}
            """),
        ("LaBSE", $$"""
            {"_name_or_path":"/models/LaBSE","architectures":["BertModel"],{{BertBase}},{{OldPooler}},"classifier_dropout":null,
             "layer_norm_eps":1e-12,"gradient_checkpointing":false,"pad_token_id":0,"position_embedding_type":"absolute","use_cache":true,
             "vocab_size":501153}
            """),
        ("roberta-base", """
            {"architectures":["RobertaForMaskedLM"],"attention_probs_dropout_prob":0.1,"bos_token_id":0,"eos_token_id":2,"hidden_act":"gelu",
             "hidden_dropout_prob":0.1,"hidden_size":768,"initializer_range":0.02,"intermediate_size":3072,"layer_norm_eps":1e-05,
             "max_position_embeddings":514,"model_type":"roberta","num_attention_heads":12,"num_hidden_layers":12,"pad_token_id":1,
             "type_vocab_size":1,"vocab_size":50265}
            """),
        ("roberta-base-squad2", """
            {"architectures":["RobertaForQuestionAnswering"],"attention_probs_dropout_prob":0.1,"bos_token_id":0,"eos_token_id":2,
             "gradient_checkpointing":false,"hidden_act":"gelu","hidden_dropout_prob":0.1,"hidden_size":768,"initializer_range":0.02,
             "intermediate_size":3072,"language":"english","layer_norm_eps":1e-05,"max_position_embeddings":514,"model_type":"roberta",
             "name":"Roberta","num_attention_heads":12,"num_hidden_layers":12,"pad_token_id":1,"type_vocab_size":1,"vocab_size":50265,
             "adapters":{"adapters":{},"config_map":{},"fusion_config_map":{},"fusions":{}}}
            """),
        ("all-MiniLM-L6-v2", """
            {"_name_or_path":"nreimers/MiniLM-L6-H384-uncased","architectures":["BertModel"],"attention_probs_dropout_prob":0.1,
             "gradient_checkpointing":false,"hidden_act":"gelu","hidden_dropout_prob":0.1,"hidden_size":384,"initializer_range":0.02,
             "intermediate_size":1536,"layer_norm_eps":1e-12,"max_position_embeddings":512,"model_type":"bert","num_attention_heads":12,
             "num_hidden_layers":6,"pad_token_id":0,"position_embedding_type":"absolute","transformers_version":"4.8.2","type_vocab_size":2,
             "use_cache":true,"vocab_size":30522}
            """),
        ("multilingual-e5-small", """
            {"_name_or_path":"intfloat/multilingual-e5-small","architectures":["BertModel"],"attention_probs_dropout_prob":0.1,
             "classifier_dropout":null,"hidden_act":"gelu","hidden_dropout_prob":0.1,"hidden_size":384,"initializer_range":0.02,
             "intermediate_size":1536,"layer_norm_eps":1e-12,"max_position_embeddings":512,"model_type":"bert","num_attention_heads":12,
             "num_hidden_layers":12,"pad_token_id":0,"position_embedding_type":"absolute","tokenizer_class":"XLMRobertaTokenizer",
             "transformers_version":"4.30.2","type_vocab_size":2,"use_cache":true,"vocab_size":250037}
            """),
        ("electra-small-discriminator", """
            {"architectures":["ElectraForPreTraining"],"attention_probs_dropout_prob":0.1,"embedding_size":128,"hidden_act":"gelu",
             "hidden_dropout_prob":0.1,"hidden_size":256,"initializer_range":0.02,"intermediate_size":1024,"layer_norm_eps":1e-12,
             "max_position_embeddings":512,"model_type":"electra","num_attention_heads":4,"num_hidden_layers":12,"pad_token_id":0,
             "summary_activation":"gelu","summary_last_dropout":0.1,"summary_type":"first","summary_use_proj":true,"type_vocab_size":2,
             "vocab_size":30522}
            """),
        ("albert-base-v2", """
            {"architectures":["AlbertForMaskedLM"],"attention_probs_dropout_prob":0,"bos_token_id":2,"classifier_dropout_prob":0.1,
             "down_scale_factor":1,"embedding_size":128,"eos_token_id":3,"gap_size":0,"hidden_act":"gelu_new","hidden_dropout_prob":0,
             "hidden_size":768,"initializer_range":0.02,"inner_group_num":1,"intermediate_size":3072,"layer_norm_eps":1e-12,
             "max_position_embeddings":512,"model_type":"albert","net_structure_type":0,"num_attention_heads":12,"num_hidden_groups":1,
             "num_hidden_layers":12,"num_memory_blocks":0,"pad_token_id":0,"type_vocab_size":2,"vocab_size":30000}
            """),
        ("sentence-t5-base", """
            {"_name_or_path":"models/sentence-t5-base","architectures":["T5EncoderModel"],"d_ff":3072,"d_kv":64,"d_model":768,
             "decoder_start_token_id":0,"dropout_rate":0.1,"eos_token_id":1,"feed_forward_proj":"relu","gradient_checkpointing":false,
             "initializer_factor":1.0,"is_encoder_decoder":true,"layer_norm_epsilon":1e-06,"model_type":"t5","n_positions":512,
             "num_decoder_layers":12,"num_heads":12,"num_layers":12,"output_past":true,"pad_token_id":0,"relative_attention_num_buckets":32,
             "task_specific_params":{"summarization":{"early_stopping":true,"prefix":"summarize: "}},"torch_dtype":"float16",
             "transformers_version":"4.11.3","use_cache":true,"vocab_size":32128}
            """),
        ("flan-t5-base", """
            {"architectures":["T5ForConditionalGeneration"],"d_ff":2048,"d_kv":64,"d_model":768,"decoder_start_token_id":0,"dropout_rate":0.1,
             "eos_token_id":1,"feed_forward_proj":"gated-gelu","initializer_factor":1.0,"is_encoder_decoder":true,"layer_norm_epsilon":1e-06,
             "model_type":"t5","n_positions":512,"num_decoder_layers":12,"num_heads":12,"num_layers":12,"output_past":true,"pad_token_id":0,
             "relative_attention_max_distance":128,"relative_attention_num_buckets":32,"tie_word_embeddings":false,
             "transformers_version":"4.23.1","use_cache":true,"vocab_size":32128}
            """),
        ("deberta-v3-small", """
            {"model_type":"deberta-v2","attention_probs_dropout_prob":0.1,"hidden_act":"gelu","hidden_dropout_prob":0.1,"hidden_size":768,
             "initializer_range":0.02,"intermediate_size":3072,"max_position_embeddings":512,"relative_attention":true,"position_buckets":256,
             "norm_rel_ebd":"layer_norm","share_att_key":true,"pos_att_type":"p2c|c2p","layer_norm_eps":1e-7,"max_relative_positions":-1,
             "position_biased_input":false,"num_attention_heads":12,"num_hidden_layers":6,"type_vocab_size":0,"vocab_size":128100}
            """),
        ("a cross-encoder of sentence-transformers", $$"""
            {"architectures":["BertForSequenceClassification"],{{BertBase}},"id2label":{"0":"LABEL_0"},"label2id":{"LABEL_0":0},"vocab_size":30522,
             "layer_norm_eps":1e-12,"sbert_ce_default_activation_function":"torch.nn.modules.linear.Identity",
             "sentence_transformers":{"activation_fn":"torch.nn.modules.linear.Identity","version":"4.1.0.dev0"},"num_labels":1}
            """),
        ("a BERT that transformers 2 wrote", $$"""
            {"_num_labels":5,"architectures":["BertForSequenceClassification"],{{BertBase}},{{OldPooler}},"vocab_size":105879,"bad_words_ids":null,
             "bos_token_id":0,"decoder_start_token_id":null,"do_sample":false,"early_stopping":false,"eos_token_ids":0,"finetuning_task":null,
             "is_decoder":false,"is_encoder_decoder":false,"length_penalty":1.0,"max_length":20,"min_length":0,"no_repeat_ngram_size":0,
             "num_beams":1,"num_labels":5,"num_return_sequences":1,"output_attentions":false,"output_hidden_states":false,"output_past":true,
             "pad_token_id":0,"prefix":null,"pruned_heads":{},"repetition_penalty":1.0,"task_specific_params":null,"temperature":1.0,"top_k":50,
             "top_p":1.0,"torchscript":false,"use_bfloat16":false,"xla_device":null,"layer_norm_eps":1e-12,"summary_type":"first",
             "summary_activation":null,"summary_first_dropout":0.1,"summary_proj_to_labels":true,"summary_use_proj":true}
            """),
        ("a BERT that transformers 4 wrote in full", $$"""
            {"architectures":["BertModel"],{{BertBase}},"vocab_size":30522,"add_cross_attention":false,"begin_suppress_tokens":null,
             "chunk_size_feed_forward":0,"cross_attention_hidden_size":null,"diversity_penalty":0.0,"encoder_no_repeat_ngram_size":0,
             "exponential_decay_length_penalty":null,"forced_bos_token_id":null,"forced_eos_token_id":null,"num_beam_groups":1,
             "output_scores":false,"remove_invalid_values":false,"return_dict":true,"return_dict_in_generate":false,"sep_token_id":null,
             "suppress_tokens":null,"tf_legacy_loss":false,"tie_encoder_decoder":false,"tie_word_embeddings":true,"typical_p":1.0,
             "export_model_type":"transformer","emb_size":768,"model_max_length":512,"is_causal":false}
            """),
        ("all-mpnet-base-v2", """
            {"_name_or_path":"microsoft/mpnet-base","architectures":["MPNetForMaskedLM"],"attention_probs_dropout_prob":0.1,"bos_token_id":0,
             "eos_token_id":2,"hidden_act":"gelu","hidden_dropout_prob":0.1,"hidden_size":768,"initializer_range":0.02,"intermediate_size":3072,
             "layer_norm_eps":1e-05,"max_position_embeddings":514,"model_type":"mpnet","num_attention_heads":12,"num_hidden_layers":12,
             "pad_token_id":1,"relative_attention_num_buckets":32,"transformers_version":"4.8.2","vocab_size":30527}
            """),
        ("gte-base-en-v1.5", """
            {"architectures":["NewModel"],"attention_probs_dropout_prob":0.0,"auto_map":{"AutoConfig":"Alibaba-NLP/new-impl--configuration.NewConfig",
             "AutoModel":"Alibaba-NLP/new-impl--modeling.NewModel"},"classifier_dropout":null,"hidden_act":"gelu","hidden_dropout_prob":0.1,
             "hidden_size":768,"initializer_range":0.02,"intermediate_size":3072,"layer_norm_eps":1e-12,"layer_norm_type":"layer_norm",
             "logn_attention_clip1":false,"logn_attention_scale":false,"max_position_embeddings":8192,"model_type":"new","num_attention_heads":12,
             "num_hidden_layers":12,"pack_qkv":true,"pad_token_id":0,"position_embedding_type":"rope",
             "rope_scaling":{"factor":2.0,"type":"ntk"},"rope_theta":500000,"torch_dtype":"float32","transformers_version":"4.39.1",
             "type_vocab_size":0,"unpad_inputs":false,"use_memory_efficient_attention":false,"vocab_size":30528}
            """),
        ("nomic-embed-text-v1.5", """
            {"activation_function":"swiglu","architectures":["NomicBertModel"],"attn_pdrop":0.0,
             "auto_map":{"AutoConfig":"nomic-ai/nomic-bert-2048--configuration_hf_nomic_bert.NomicBertConfig",
             "AutoModel":"nomic-ai/nomic-bert-2048--modeling_hf_nomic_bert.NomicBertModel"},"bos_token_id":null,"causal":false,
             "dense_seq_output":true,"embd_pdrop":0.0,"eos_token_id":null,"fused_bias_fc":true,"fused_dropout_add_ln":true,"initializer_range":0.02,
             "layer_norm_epsilon":1e-12,"max_trained_positions":2048,"mlp_fc1_bias":false,"mlp_fc2_bias":false,"model_type":"nomic_bert",
             "n_embd":768,"n_head":12,"n_inner":3072,"n_layer":12,"n_positions":8192,"pad_vocab_size_multiple":64,"parallel_block":false,
             "parallel_block_tied_norm":false,"prenorm":false,"qkv_proj_bias":false,"reorder_and_upcast_attn":false,"resid_pdrop":0.0,
             "rotary_emb_base":1000,"rotary_emb_fraction":1.0,"rotary_emb_interleaved":false,"rotary_emb_scale_base":null,
             "rotary_scaling_factor":null,"scale_attn_by_inverse_layer_idx":false,"scale_attn_weights":true,"summary_activation":null,
             "summary_first_dropout":0.0,"summary_proj_to_labels":true,"summary_type":"cls_index","summary_use_proj":true,"torch_dtype":"float32",
             "transformers_version":"4.37.2","type_vocab_size":2,"use_cache":true,"use_flash_attn":true,"use_rms_norm":false,"use_xentropy":true,
             "vocab_size":30528}
            """),
    ];

    /// <summary>Networks that add to a residual sum.</summary>
    private static readonly (string Name, string Json, bool IsCausal)[] Residual =
    [
        ("ModernBERT-base", """
            {"architectures":["ModernBertForMaskedLM"],"attention_bias":false,"attention_dropout":0.0,"bos_token_id":50281,
             "classifier_activation":"gelu","classifier_bias":false,"classifier_dropout":0.0,"classifier_pooling":"mean","cls_token_id":50281,
             "decoder_bias":true,"deterministic_flash_attn":false,"embedding_dropout":0.0,"eos_token_id":50282,"global_attn_every_n_layers":3,
             "global_rope_theta":160000.0,"gradient_checkpointing":false,"hidden_activation":"gelu","hidden_size":768,
             "initializer_cutoff_factor":2.0,"initializer_range":0.02,"intermediate_size":1152,"layer_norm_eps":1e-05,"local_attention":128,
             "local_rope_theta":10000.0,"max_position_embeddings":8192,"mlp_bias":false,"mlp_dropout":0.0,"model_type":"modernbert",
             "norm_bias":false,"norm_eps":1e-05,"num_attention_heads":12,"num_hidden_layers":22,"pad_token_id":50283,
             "position_embedding_type":"absolute","sep_token_id":50282,"tie_word_embeddings":true,"torch_dtype":"float32",
             "transformers_version":"4.47.0.dev0","vocab_size":50368}
            """, false),
        ("EuroBERT-210m", """
            {"architectures":["EuroBertForMaskedLM"],"attention_bias":false,"attention_dropout":0.0,
             "auto_map":{"AutoConfig":"configuration_eurobert.EuroBertConfig","AutoModel":"modeling_eurobert.EuroBertModel"},
             "bos_token":"<|begin_of_text|>","bos_token_id":128000,"clf_pooling":"late","eos_token":"<|end_of_text|>","eos_token_id":128001,
             "head_dim":64,"hidden_act":"silu","hidden_dropout":0.0,"hidden_size":768,"initializer_range":0.02,"intermediate_size":3072,
             "mask_token":"<|mask|>","mask_token_id":128002,"max_position_embeddings":8192,"mlp_bias":false,"model_type":"eurobert",
             "num_attention_heads":12,"num_hidden_layers":12,"num_key_value_heads":12,"pad_token":"<|end_of_text|>","pad_token_id":128001,
             "pretraining_tp":1,"rms_norm_eps":1e-05,"rope_scaling":null,"rope_theta":250000,"tie_word_embeddings":false,
             "torch_dtype":"bfloat16","transformers_version":"4.40.0.dev0","use_cache":false,"vocab_size":128256}
            """, false),
        ("embeddinggemma-300m", """
            {"_sliding_window_pattern":6,"architectures":["Gemma3TextModel"],"attention_bias":false,"attention_dropout":0.0,
             "attn_logit_softcapping":null,"bos_token_id":2,"dtype":"float32","eos_token_id":1,"final_logit_softcapping":null,"head_dim":256,
             "hidden_activation":"gelu_pytorch_tanh","hidden_size":768,"initializer_range":0.02,"intermediate_size":1152,
             "max_position_embeddings":2048,"model_type":"gemma3_text","num_attention_heads":3,"num_hidden_layers":24,"num_key_value_heads":1,
             "pad_token_id":0,"query_pre_attn_scalar":256,"rms_norm_eps":1e-06,"rope_local_base_freq":10000.0,"rope_scaling":null,
             "rope_theta":1000000.0,"sliding_window":512,"transformers_version":"4.57.0.dev0","use_bidirectional_attention":true,"use_cache":true,
             "vocab_size":262144}
            """, false),
        ("gemma-3-270m", """
            {"_sliding_window_pattern":6,"architectures":["Gemma3ForCausalLM"],"attention_bias":false,"attention_dropout":0.0,
             "attn_logit_softcapping":null,"bos_token_id":2,"eos_token_id":1,"final_logit_softcapping":null,"head_dim":256,
             "hidden_activation":"gelu_pytorch_tanh","hidden_size":640,"initializer_range":0.02,"intermediate_size":2048,
             "max_position_embeddings":32768,"model_type":"gemma3_text","num_attention_heads":4,"num_hidden_layers":18,"num_key_value_heads":1,
             "pad_token_id":0,"query_pre_attn_scalar":256,"rms_norm_eps":1e-06,"rope_local_base_freq":10000.0,"rope_scaling":null,
             "rope_theta":1000000.0,"sliding_window":512,"torch_dtype":"bfloat16","transformers_version":"4.55.0.dev0",
             "use_bidirectional_attention":false,"use_cache":true,"vocab_size":262144}
            """, true),
        ("gemma-3-1b-pt", """
            {"architectures":["Gemma3ForCausalLM"],"attention_bias":false,"attention_dropout":0.0,"attn_logit_softcapping":null,"bos_token_id":2,
             "cache_implementation":"hybrid","eos_token_id":1,"final_logit_softcapping":null,"head_dim":256,"hidden_activation":"gelu_pytorch_tanh",
             "hidden_size":1152,"initializer_range":0.02,"intermediate_size":6912,"max_position_embeddings":32768,"model_type":"gemma3_text",
             "num_attention_heads":4,"num_hidden_layers":26,"num_key_value_heads":1,"pad_token_id":0,"query_pre_attn_scalar":256,
             "rms_norm_eps":1e-06,"rope_local_base_freq":10000,"rope_scaling":null,"rope_theta":1000000,"sliding_window":512,
             "sliding_window_pattern":6,"torch_dtype":"bfloat16","transformers_version":"4.50.0.dev0","use_cache":true,"vocab_size":262144}
            """, true),
        ("gemma-2-2b", """
            {"architectures":["Gemma2ForCausalLM"],"attention_bias":false,"attention_dropout":0.0,"attn_logit_softcapping":50.0,"bos_token_id":2,
             "cache_implementation":"hybrid","eos_token_id":1,"final_logit_softcapping":30.0,"head_dim":256,"hidden_act":"gelu_pytorch_tanh",
             "hidden_activation":"gelu_pytorch_tanh","hidden_size":2304,"initializer_range":0.02,"intermediate_size":9216,
             "max_position_embeddings":8192,"model_type":"gemma2","num_attention_heads":8,"num_hidden_layers":26,"num_key_value_heads":4,
             "pad_token_id":0,"query_pre_attn_scalar":256,"rms_norm_eps":1e-06,"rope_theta":10000.0,"sliding_window":4096,
             "torch_dtype":"float32","transformers_version":"4.42.4","use_cache":true,"vocab_size":256000}
            """, true),
        ("Phi-3-mini-4k-instruct", """
            {"_name_or_path":"Phi-3-mini-4k-instruct","architectures":["Phi3ForCausalLM"],"attention_bias":false,"attention_dropout":0.0,
             "auto_map":{"AutoConfig":"configuration_phi3.Phi3Config","AutoModelForCausalLM":"modeling_phi3.Phi3ForCausalLM"},"bos_token_id":1,
             "embd_pdrop":0.0,"eos_token_id":32000,"hidden_act":"silu","hidden_size":3072,"initializer_range":0.02,"intermediate_size":8192,
             "max_position_embeddings":4096,"model_type":"phi3","num_attention_heads":32,"num_hidden_layers":32,"num_key_value_heads":32,
             "original_max_position_embeddings":4096,"pad_token_id":32000,"resid_pdrop":0.0,"rms_norm_eps":1e-05,"rope_scaling":null,
             "rope_theta":10000.0,"sliding_window":2047,"tie_word_embeddings":false,"torch_dtype":"bfloat16","transformers_version":"4.40.2",
             "use_cache":true,"vocab_size":32064}
            """, true),
        ("Phi-4-mini-instruct", $$"""
            {"architectures":["Phi3ForCausalLM"],"attention_bias":false,"attention_dropout":0.0,
             "auto_map":{"AutoConfig":"configuration_phi3.Phi3Config","AutoModelForCausalLM":"modeling_phi3.Phi3ForCausalLM"},
             "bos_token_id":199999,"embd_pdrop":0.0,"eos_token_id":199999,"full_attn_mod":1,"hidden_act":"silu","hidden_size":3072,
             "initializer_range":0.02,"intermediate_size":8192,"interpolate_factor":1,"lm_head_bias":false,"max_position_embeddings":131072,
             "mlp_bias":false,"model_type":"phi3","num_attention_heads":24,"num_hidden_layers":32,"num_key_value_heads":8,
             "original_max_position_embeddings":4096,"pad_token_id":199999,"partial_rotary_factor":0.75,"resid_pdrop":0.0,"rms_norm_eps":1e-05,
             "rope_scaling":{"long_factor":[{{Factors}}],"short_factor":[{{Factors}}],"type":"longrope"},"rope_theta":10000.0,
             "sliding_window":262144,"tie_word_embeddings":true,"torch_dtype":"bfloat16","transformers_version":"4.45.0","use_cache":true,
             "vocab_size":200064}
            """, true),
        ("SmolLM3-3B", $$"""
            {"architectures":["SmolLM3ForCausalLM"],"attention_bias":false,"attention_dropout":0.0,"bos_token_id":128000,"eos_token_id":128012,
             "hidden_act":"silu","hidden_size":2048,"initializer_range":0.02,"intermediate_size":11008,"is_llama_config":true,
             "layer_types":[{{FullAttention}}],"max_position_embeddings":65536,"max_window_layers":28,"mlp_bias":false,"model_type":"smollm3",
             "no_rope_layer_interval":4,"no_rope_layers":[{{NoRope}}],"num_attention_heads":16,"num_hidden_layers":36,"num_key_value_heads":4,
             "pad_token_id":128004,"pretraining_tp":2,"rms_norm_eps":1e-06,"rope_scaling":null,"rope_theta":5000000.0,"sliding_window":null,
             "torch_dtype":"bfloat16","transformers_version":"4.54.0.dev0","use_cache":false,"use_sliding_window":false,"vocab_size":128256}
            """, true),
        ("granite-3.1-2b-instruct", """
            {"architectures":["GraniteForCausalLM"],"attention_bias":false,"attention_dropout":0.1,"attention_multiplier":0.015625,
             "bos_token_id":0,"embedding_multiplier":12.0,"eos_token_id":0,"hidden_act":"silu","hidden_size":2048,"initializer_range":0.02,
             "intermediate_size":8192,"logits_scaling":8.0,"max_position_embeddings":131072,"mlp_bias":false,"model_type":"granite",
             "num_attention_heads":32,"num_hidden_layers":40,"num_key_value_heads":8,"pad_token_id":0,"residual_multiplier":0.22,
             "rms_norm_eps":1e-05,"rope_scaling":null,"rope_theta":5000000.0,"tie_word_embeddings":true,"torch_dtype":"bfloat16",
             "transformers_version":"4.47.0.dev0","use_cache":true,"vocab_size":49155}
            """, true),
        ("stablelm-2-1_6b", """
            {"architectures":["StableLmForCausalLM"],"bos_token_id":100257,"eos_token_id":100257,"hidden_act":"silu","hidden_size":2048,
             "initializer_range":0.02,"intermediate_size":5632,"layer_norm_eps":1e-05,"max_position_embeddings":4096,"model_type":"stablelm",
             "num_attention_heads":32,"num_hidden_layers":24,"num_key_value_heads":32,"partial_rotary_factor":0.25,"rope_theta":10000,
             "tie_word_embeddings":false,"torch_dtype":"float16","transformers_version":"4.38.0","use_cache":true,"use_qkv_bias":true,
             "vocab_size":100352}
            """, true),
        ("OLMo-2-1124-7B", """
            {"architectures":["Olmo2ForCausalLM"],"attention_bias":false,"attention_dropout":0.0,"eos_token_id":100257,"hidden_act":"silu",
             "hidden_size":4096,"initializer_range":0.02,"intermediate_size":11008,"max_position_embeddings":4096,"model_type":"olmo2",
             "num_attention_heads":32,"num_hidden_layers":32,"num_key_value_heads":32,"pad_token_id":100277,"rms_norm_eps":1e-06,
             "rope_scaling":null,"rope_theta":500000,"tie_word_embeddings":false,"torch_dtype":"float32","transformers_version":"4.47.0.dev0",
             "use_cache":false,"vocab_size":100352}
            """, true),
        ("gte-Qwen2-1.5B-instruct", """
            {"architectures":["Qwen2ForCausalLM"],"attention_dropout":0.0,"auto_map":{"AutoModel":"modeling_qwen.Qwen2Model"},
             "bos_token_id":151643,"eos_token_id":151643,"hidden_act":"silu","hidden_size":1536,"initializer_range":0.02,"intermediate_size":8960,
             "is_causal":false,"max_position_embeddings":131072,"max_window_layers":21,"model_type":"qwen2","num_attention_heads":12,
             "num_hidden_layers":28,"num_key_value_heads":2,"rms_norm_eps":1e-06,"rope_theta":1000000.0,"sliding_window":131072,
             "tie_word_embeddings":false,"torch_dtype":"float32","use_cache":true,"use_sliding_window":false,"vocab_size":151646}
            """, false),
        ("Mistral-7B-v0.1", """
            {"architectures":["MistralForCausalLM"],"bos_token_id":1,"eos_token_id":2,"hidden_act":"silu","hidden_size":4096,
             "initializer_range":0.02,"intermediate_size":14336,"max_position_embeddings":32768,"model_type":"mistral","num_attention_heads":32,
             "num_hidden_layers":32,"num_key_value_heads":8,"rms_norm_eps":1e-05,"rope_theta":10000.0,"sliding_window":4096,
             "tie_word_embeddings":false,"torch_dtype":"bfloat16","transformers_version":"4.34.0.dev0","use_cache":true,"vocab_size":32000}
            """, true),
        ("Llama-3.2-1B", """
            {"architectures":["LlamaForCausalLM"],"attention_bias":false,"attention_dropout":0.0,"bos_token_id":128000,"eos_token_id":128001,
             "head_dim":64,"hidden_act":"silu","hidden_size":2048,"initializer_range":0.02,"intermediate_size":8192,
             "max_position_embeddings":131072,"mlp_bias":false,"model_type":"llama","num_attention_heads":32,"num_hidden_layers":16,
             "num_key_value_heads":8,"pretraining_tp":1,"rms_norm_eps":1e-05,"rope_scaling":{"factor":32.0,"high_freq_factor":4.0,
             "low_freq_factor":1.0,"original_max_position_embeddings":8192,"rope_type":"llama3"},"rope_theta":500000.0,
             "tie_word_embeddings":true,"torch_dtype":"bfloat16","transformers_version":"4.45.0.dev0","use_cache":true,"vocab_size":128256}
            """, true),
        ("Qwen3-Embedding-0.6B", """
            {"architectures":["Qwen3ForCausalLM"],"attention_bias":false,"attention_dropout":0.0,"bos_token_id":151643,"eos_token_id":151643,
             "head_dim":128,"hidden_act":"silu","hidden_size":1024,"initializer_range":0.02,"intermediate_size":3072,
             "max_position_embeddings":32768,"max_window_layers":28,"model_type":"qwen3","num_attention_heads":16,"num_hidden_layers":28,
             "num_key_value_heads":8,"rms_norm_eps":1e-06,"rope_scaling":null,"rope_theta":1000000,"sliding_window":null,
             "tie_word_embeddings":true,"torch_dtype":"bfloat16","transformers_version":"4.51.3","use_cache":true,"use_sliding_window":false,
             "vocab_size":151669}
            """, true),
        ("TinyLlama-1.1B", """
            {"architectures":["LlamaForCausalLM"],"attention_bias":false,"bos_token_id":1,"eos_token_id":2,"hidden_act":"silu","hidden_size":2048,
             "initializer_range":0.02,"intermediate_size":5632,"max_position_embeddings":2048,"model_type":"llama","num_attention_heads":32,
             "num_hidden_layers":22,"num_key_value_heads":4,"pretraining_tp":1,"rms_norm_eps":1e-05,"rope_scaling":null,"rope_theta":10000.0,
             "tie_word_embeddings":false,"torch_dtype":"bfloat16","transformers_version":"4.35.0","use_cache":true,"vocab_size":32000}
            """, true),
        ("SmolLM2-135M", """
            {"architectures":["LlamaForCausalLM"],"attention_bias":false,"attention_dropout":0.0,"bos_token_id":0,"eos_token_id":0,
             "hidden_act":"silu","hidden_size":576,"initializer_range":0.041666666666666664,"intermediate_size":1536,"is_llama_config":true,
             "max_position_embeddings":8192,"model_type":"llama","num_attention_heads":9,"num_hidden_layers":30,"num_key_value_heads":3,
             "pretraining_tp":1,"rms_norm_eps":1e-05,"rope_interleaved":false,"rope_scaling":null,"rope_theta":100000,
             "tie_word_embeddings":true,"torch_dtype":"bfloat16","transformers.js_config":{"kv_cache_dtype":{"q4f16":"float16"}},
             "transformers_version":"4.40.1","use_cache":true,"vocab_size":49152}
            """, true),
        ("gpt2", """
            {"activation_function":"gelu_new","architectures":["GPT2LMHeadModel"],"attn_pdrop":0.1,"bos_token_id":50256,"embd_pdrop":0.1,
             "eos_token_id":50256,"initializer_range":0.02,"layer_norm_epsilon":1e-05,"model_type":"gpt2","n_ctx":1024,"n_embd":768,"n_head":12,
             "n_layer":12,"n_positions":1024,"resid_pdrop":0.1,"summary_activation":null,"summary_first_dropout":0.1,
             "summary_proj_to_labels":true,"summary_type":"cls_index","summary_use_proj":true,
             "task_specific_params":{"text-generation":{"do_sample":true,"max_length":50}},"vocab_size":50257}
            """, true),
        ("pythia-160m", """
            {"architectures":["GPTNeoXForCausalLM"],"bos_token_id":0,"eos_token_id":0,"hidden_act":"gelu","hidden_size":768,
             "initializer_range":0.02,"intermediate_size":3072,"layer_norm_eps":1e-05,"max_position_embeddings":2048,"model_type":"gpt_neox",
             "num_attention_heads":12,"num_hidden_layers":12,"rotary_emb_base":10000,"rotary_pct":0.25,"tie_word_embeddings":false,
             "torch_dtype":"float16","transformers_version":"4.24.0","use_cache":true,"use_parallel_residual":true,"vocab_size":50304}
            """, true),
        ("a LLaMA that transformers 5 wrote", """
            {"architectures":["LlamaForCausalLM"],"attention_bias":false,"attention_dropout":0.0,"bos_token_id":1,"dtype":"float32",
             "eos_token_id":2,"head_dim":64,"hidden_act":"silu","hidden_size":2048,"initializer_range":0.02,"intermediate_size":5632,
             "is_causal":true,"max_position_embeddings":2048,"mlp_bias":false,"model_type":"llama","num_attention_heads":32,
             "num_hidden_layers":22,"num_key_value_heads":4,"pad_token_id":null,"pretraining_tp":1,"rms_norm_eps":1e-05,
             "rope_parameters":{"rope_theta":10000.0,"rope_type":"default"},"tie_word_embeddings":false,"use_cache":true,"vocab_size":32000}
            """, true),
    ];

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> EncoderNames => [.. Encoders.Select(row => row.Name)];

    public static TheoryData<string> ResidualNames => [.. Residual.Select(row => row.Name)];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(EncoderNames))]
    public void An_encoder_is_read_without_a_word(string name) =>
        AssertReadWithoutAWord("bert", Encoders.Single(row => row.Name == name).Json, isCausal: false);

    [Theory]
    [MemberData(nameof(ResidualNames))]
    public void A_decoder_or_a_relative_of_one_is_read_without_a_word(string name)
    {
        (_, string json, bool isCausal) = Residual.Single(row => row.Name == name);
        // The fixtures have more tensors than the models have blocks.
        AssertReadWithoutAWord(name.StartsWith("ModernBERT", StringComparison.Ordinal) ? "modernbert" : "gemma3-nested", json, isCausal);
    }

    /// <summary>No weight is read before a backbone is run, so that those of a fixture do.</summary>
    private void AssertReadWithoutAWord(string fixture, string json, bool isCausal)
    {
        string folder = _folder.CopyFixture(fixture);
        File.WriteAllText(Path.Combine(folder, "config.json"), json);
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        Backbone backbone = Backbone.Create(checkpoint);
        Assert.Empty(checkpoint.Config.Notes);
        JsonNode values = JsonNode.Parse(json)!;
        string[] widths = ["hidden_size", "dim", "d_model", "n_embd"], depths = ["num_hidden_layers", "n_layers", "num_layers", "n_layer"];
        Assert.Equal((int)widths.Select(key => values[key]).First(value => value is not null)!, backbone.HiddenSize);
        Assert.Equal((int)depths.Select(key => values[key]).First(value => value is not null)!, backbone.BlockCount);
        Assert.Equal(isCausal, backbone.IsCausal);
    }
}
