"""Random models of a few thousand weights, and tokenizers that know two sentences, of the architectures that matter."""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    DistilBertConfig,
    DistilBertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
    T5Config,
    T5ForConditionalGeneration,
)

TEXTS = [
    "It is a truth universally acknowledged, that a single man in possession of a good fortune must be in want of a wife.",
    "However little known the feelings or views of such a man may be on his first entering a neighbourhood.",
    "Unimaginably antediluvian!",
    "Catherine",
    "No one who had ever seen Catherine Morland in her infancy would have supposed her born to be an heroine.",
]
"""The tokenizers know the words of the first two; those of the others are cut into many tokens."""

_BYTES = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
_WORD_PIECES = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
_SIZE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}


def byte_tokenizer(template: str) -> Any:
    """Byte-level BPE, with the special tokens of T5 (`$A </s>`) or of BART and RoBERTa (`<s> $A </s>`) around each text."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    inner = Tokenizer(models.BPE(unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    inner.train_from_iterator(
        TEXTS[:2],
        trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    around = [(token, inner.token_to_id(token)) for token in special]
    inner.post_processor = processors.TemplateProcessing(single=template, special_tokens=around)
    names = _BYTES if template == "$A </s>" else {**_BYTES, "bos_token": "<s>", "mask_token": "<mask>"}
    return _fast(inner, **names)


def word_piece_tokenizer() -> Any:
    """BERT's: `[CLS] … [SEP]`, words split at spaces and punctuation. The words of the first two texts are whole.

    The vocabulary is written down: the trainer for it breaks ties differently in every process.
    """
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = sorted(set("".join(TEXTS)) - {" "})
    words = sorted({word for text in TEXTS[:2] for word in text.split() if word.isalpha() and len(word) > 1})
    entries = [*special, *characters, *(f"##{character}" for character in characters), *words]
    vocabulary = {entry: number for number, entry in enumerate(entries)}
    inner = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    around = [(token, inner.token_to_id(token)) for token in special]
    inner.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=around)
    return _fast(inner, **_WORD_PIECES, mask_token="[MASK]")


def _fast(inner: Tokenizer, **names: str) -> Any:
    untyped: Any = PreTrainedTokenizerFast
    return untyped(tokenizer_object=inner, **names)


def tiny_t5(**settings: Any) -> tuple[Any, Any]:
    tokenizer = byte_tokenizer("$A </s>")
    config: Any = T5Config(
        vocab_size=len(tokenizer),
        d_model=16,
        d_kv=8,
        d_ff=24,
        num_layers=2,
        num_heads=2,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        **settings,
    )
    config.decoder_start_token_id = tokenizer.pad_token_id
    return _seeded(T5ForConditionalGeneration, config), tokenizer


def tiny_bart(**settings: Any) -> tuple[Any, Any]:
    """With a bias on the final logits, which is zero in a fresh model and in most checkpoints, but not in all."""
    tokenizer = byte_tokenizer("<s> $A </s>")
    config = BartConfig(
        vocab_size=len(tokenizer),
        d_model=16,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_ffn_dim=24,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.eos_token_id,
        forced_eos_token_id=None,
        **{"max_position_embeddings": 200, **settings},
    )
    module = _seeded(BartForConditionalGeneration, config)
    module.final_logits_bias.normal_(generator=torch.Generator().manual_seed(2))
    return module, tokenizer


def tiny_llama(**settings: Any) -> tuple[Any, Any]:
    tokenizer = byte_tokenizer("<s> $A </s>")
    config: Any = LlamaConfig(
        vocab_size=len(tokenizer),
        num_key_value_heads=1,
        pad_token_id=tokenizer.pad_token_id,
        **{**_SIZE, "max_position_embeddings": 128, **settings},
    )
    return _seeded(LlamaForCausalLM, config), tokenizer


def tiny_gpt2(**settings: Any) -> tuple[Any, Any]:
    """Its positions are learned: it has to be told where padding shifts them."""
    tokenizer = byte_tokenizer("<s> $A </s>")
    size = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64}
    return _seeded(GPT2LMHeadModel, GPT2Config(vocab_size=len(tokenizer), **{**size, **settings})), tokenizer


def tiny_bert(**settings: Any) -> tuple[Any, Any]:
    tokenizer = word_piece_tokenizer()
    config = BertConfig(vocab_size=len(tokenizer), **{**_SIZE, "max_position_embeddings": 128, **settings})
    return _seeded(BertForMaskedLM, config), tokenizer


def tiny_roberta(**settings: Any) -> tuple[Any, Any]:
    """Its positions start behind the number of its padding token, so that two of its embeddings are never used."""
    tokenizer = byte_tokenizer("<s> $A </s>")
    length = {"max_position_embeddings": 130, "pad_token_id": tokenizer.pad_token_id}
    return _seeded(
        RobertaForMaskedLM, RobertaConfig(vocab_size=len(tokenizer), **{**_SIZE, **length, **settings})
    ), tokenizer


def tiny_distilbert(**settings: Any) -> tuple[Any, Any]:
    tokenizer = word_piece_tokenizer()
    size = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24, "max_position_embeddings": 128}
    return _seeded(
        DistilBertForMaskedLM, DistilBertConfig(vocab_size=len(tokenizer), **{**size, **settings})
    ), tokenizer


def tiny_classifier(**settings: Any) -> tuple[Any, Any]:
    tokenizer = word_piece_tokenizer()
    config = BertConfig(vocab_size=len(tokenizer), **{**_SIZE, "max_position_embeddings": 128, **settings})
    return _undecided(_seeded(BertForSequenceClassification, config)), tokenizer


def tiny_tagger(**settings: Any) -> tuple[Any, Any]:
    tokenizer = word_piece_tokenizer()
    config = BertConfig(vocab_size=len(tokenizer), **{**_SIZE, "max_position_embeddings": 128, **settings})
    return _undecided(_seeded(BertForTokenClassification, config)), tokenizer


def _undecided(module: Any) -> Any:
    """Without biases, which would give all texts and tokens the same label."""
    with torch.no_grad():
        module.classifier.weight.normal_(generator=torch.Generator().manual_seed(2))
        for name, parameter in module.named_parameters():
            if "bias" in name:
                parameter.zero_()
    return module


def headless(make: Any, **settings: Any) -> tuple[Any, Any]:
    """The encoder of one of these models alone, as `AutoModel` loads it."""
    module, tokenizer = make(**settings)
    return module.base_model, tokenizer


def _seeded(kind: Any, config: Any) -> Any:
    """Weights larger than usual: with those of a fresh model all tokens are equally probable, whatever stands around them."""
    torch.manual_seed(1)
    module = kind(config)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.dim() == 2:
                parameter.mul_(2 if kind is T5ForConditionalGeneration else 30)
            elif "bias" in name:
                parameter.normal_()
    return module.eval()
