"""Assertions about what every language model must keep, whatever it has learned: causality, padding, batches, caches, saving.

They ask the network itself for logits. `model` is a path, a hub id, a `(model, tokenizer)` pair, a model that the plugin loaded, a
torch module whose forward takes token ids (of `transformers`, or one of your own), a function from ids to logits, or an
object with a method `logits(ids, attention_mask)`. No data are needed: the opening of a shipped text is read where there is a
tokenizer, and random tokens; `texts=` or `ids=` name others.

Two answers never agree to the last bit where a batch has another shape. How far apart they may be is measured on the model
itself: it is read again while each product is off by its rounding (`inference/contracts/rounding.py`), and twice what that moves
the logits is tolerated. `tolerance=` states another amount, in the unit of the logits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

from pytest_llm.assertions.gate import assertion, conclude
from pytest_llm.errors import MisuseError
from pytest_llm.judging.contract import judge_contract
from pytest_llm.judging.measurement import Measurement

Texts: TypeAlias = Sequence[str] | None
Ids: TypeAlias = Sequence[Sequence[int]] | None
Side: TypeAlias = Literal["left", "right"]


@assertion
def assert_causal(
    model: Any, *, texts: Texts = None, ids: Ids = None, length: int | None = None, tolerance: float | None = None
) -> Measurement:
    """Assert that changing a later token changes no earlier logit.

    The tokens behind a cut are exchanged and the logits before it compared, for cuts at powers of two and before the last token.
    If one differs, all cuts are tried: the message names the first position that sees too much, the farthest token that it
    sees, the layer in which the difference begins and, where the model shows attention weights, the heads that look there.

    Args:
        model: see the module's text; a decoder. Masked models and encoders are not causal, and fail.
        texts: what is read; None: a shipped text and random tokens.
        ids: token ids, instead of texts or besides.
        length: how many tokens of each are read; None: 32. Take more than a sliding window or a kernel's block has.
        tolerance: how much a logit may change; None: measured.

    Raises:
        QualityError: a logit changes by more; or the model is not deterministic, so that nothing can be told.
        MisuseError: (a ValueError) nothing that shows its logits; texts without a tokenizer.

    Example:
        >>> assert_causal("HuggingFaceTB/SmolLM2-135M")  # doctest: +SKIP
    """
    from pytest_llm.inference.contracts.causality import causality
    from pytest_llm.inference.contracts.subject import subject

    asked = subject(model, texts=texts, ids=ids, length=length, tolerance=tolerance)
    return conclude(judge_contract(causality(asked)))


@assertion
def assert_padding_invariant(
    model: Any,
    *,
    sides: Sequence[Side] | None = None,
    amounts: Sequence[int] = (1, 7),
    texts: Texts = None,
    ids: Ids = None,
    length: int | None = None,
    tolerance: float | None = None,
) -> Measurement:
    """Assert that padding beside a text changes none of its logits.

    Each text is read alone, then padded with others of other lengths. With padding on the left, models that write are given
    `position_ids` counted as `generate` of `transformers` counts them.

    Args:
        model: see the module's text; it has to take a mask.
        sides: "left", "right"; None: both, but only "right" of encoders and encoder-decoders of `transformers`: they count
            positions from the beginning of the row, so that padding on the left is another input to them.
        amounts: how many pads the longest text gets; the others get more.
        texts: as in `assert_causal`, and so the following.
        ids: token ids.
        length: of each text.
        tolerance: how much a logit may change; None: measured.

    Raises:
        QualityError: a logit changes by more.
        MisuseError: (a ValueError) a model that takes no mask; see `assert_causal`.
    """
    from pytest_llm.inference.contracts.padding import padding_invariance
    from pytest_llm.inference.contracts.subject import subject

    asked = subject(model, texts=texts, ids=ids, length=length, tolerance=tolerance, reads="source")
    return conclude(judge_contract(padding_invariance(asked, sides=sides, amounts=amounts)))


@assertion
def assert_batch_invariant(
    model: Any, *, texts: Texts = None, ids: Ids = None, length: int | None = None, tolerance: float | None = None
) -> Measurement:
    """Assert that a text's logits do not depend on what else is in the batch, nor on its place in it.

    All rows have one length, so that no mask is needed. See `assert_causal` for the arguments.

    Raises:
        QualityError: a logit changes by more than is tolerated.
        MisuseError: (a ValueError) see `assert_causal`.
    """
    from pytest_llm.inference.contracts.batching import batch_invariance
    from pytest_llm.inference.contracts.subject import subject

    asked = subject(model, texts=texts, ids=ids, length=length, tolerance=tolerance, reads="source")
    return conclude(judge_contract(batch_invariance(asked)))


@assertion
def assert_cache_consistent(
    model: Any, *, texts: Texts = None, ids: Ids = None, length: int | None = None, tolerance: float | None = None
) -> Measurement:
    """Assert that reading in steps with a key-value cache gives the logits of reading at once without one.

    Token by token; in chunks; in chunks with another text in between, which has a cache of its own; and token by token after a
    prompt that was padded on the left. See `assert_causal` for the arguments; since each token is a call, `length` is 16 unless
    it is given.

    Raises:
        QualityError: a logit changes by more than is tolerated; the message names the first position that does.
        MisuseError: (a ValueError) a model that takes no cache; see `assert_causal`.
    """
    from pytest_llm.inference.contracts.caching import LENGTH, cache_consistency
    from pytest_llm.inference.contracts.subject import subject

    asked = subject(model, texts=texts, ids=ids, length=LENGTH if length is None else length, tolerance=tolerance)
    return conclude(judge_contract(cache_consistency(asked)))


@assertion
def assert_deterministic(
    model: Any,
    *,
    repeats: int = 3,
    texts: Texts = None,
    ids: Ids = None,
    length: int | None = None,
    tolerance: float = 0.0,
) -> Measurement:
    """Assert that the same tokens give the same logits, bit by bit: at once, and after another text.

    Args:
        model: see the module's text. A module is asked in the mode it is in: dropout that was left on is found.
        repeats: how often each text is read.
        texts: as in `assert_causal`, and so the following.
        ids: token ids.
        length: of each text.
        tolerance: 0 asks for the same bits, which some kernels of GPUs do not give.

    Raises:
        QualityError: an answer differs.
        MisuseError: (a ValueError) see `assert_causal`.
    """
    from pytest_llm.inference.contracts.repeating import determinism
    from pytest_llm.inference.contracts.subject import subject

    if not isinstance(repeats, int) or repeats < 2:
        raise MisuseError(f"repeats={repeats!r}: it takes at least 2 to differ")
    asked = subject(model, texts=texts, ids=ids, length=length, tolerance=tolerance)
    return conclude(judge_contract(determinism(asked, repeats)))


@assertion
def assert_save_load_identical(
    model: Any, *, texts: Texts = None, ids: Ids = None, length: int | None = None
) -> Measurement:
    """Assert that saving and loading changes no bit of the logits: of the model that comes back, nor of the one that was saved.

    A model of `transformers` goes through its own `save_pretrained` and `from_pretrained`, in a folder that is thrown away, and its
    tokenizer too. What these refuse (weights that were read from GGUF), adapters, and modules of your own go as tensors
    through safetensors into a copy whose weights were blanked; that cannot see what is neither in `state_dict()` nor made by the
    constructor. See `assert_causal` for the arguments.

    Raises:
        QualityError: a logit, or a token, differs; the message names the first weight that does.
        MisuseError: (a ValueError) a function, which has no weights; see `assert_causal`.
    """
    from pytest_llm.inference.contracts.saving import save_and_load
    from pytest_llm.inference.contracts.subject import subject

    return conclude(judge_contract(save_and_load(subject(model, texts=texts, ids=ids, length=length))))


@assertion
def assert_finite_logits(model: Any, *, length: int | None = None, texts: Texts = None) -> Measurement:
    """Assert that all logits are numbers, from one token up to the edge of the context, or of each text.

    Random tokens are read, 1, 2 and `length` of them. An error on the way is a failure: a model has to read as much as it says.

    Args:
        model: see the module's text.
        length: the longest text; None: the context length that the model states. For a long context that is slow, and takes
            memory for that many logits of a model that has no `logits_to_keep`.
        texts: these, as far as `length` goes, in the place of random tokens; any, also those that a strategy draws.

    Raises:
        QualityError: a logit is NaN or infinite, or a length cannot be read.
        MisuseError: (a ValueError) a model that does not say how much it can read, and no `length`.
    """
    from pytest_llm.inference.contracts.finiteness import finiteness
    from pytest_llm.models.network import as_network

    return conclude(judge_contract(finiteness(as_network(model), length, texts)))


@assertion
def assert_dtype_close(
    model: Any,
    dtype: Literal["bfloat16", "float16", "float32", "float64"] = "bfloat16",
    limit: float | None = None,
    *,
    texts: Texts = None,
    ids: Ids = None,
    length: int | None = None,
) -> Measurement:
    """Assert that a model is as close to itself in another type as rounding to that type explains.

    The distance is the mean Kullback-Leibler divergence of the next-token distributions, in nats, as in `assert_mean_kld_below`;
    of a model that gives hidden states, the relative error √Σ(h − h′)² / √Σh². Without a limit, what rounding explains is
    measured: the model in its own type, its weights rounded to the other one, each product off by that type's rounding.

    Args:
        model: see the module's text; with a torch module behind it, which is copied.
        dtype: the other type. Weights and persistent buffers are cast, as by loading in that type.
        limit: the distance that must not be exceeded; None: measured.
        texts: as in `assert_causal`, and so the following.
        ids: token ids.
        length: of each text.

    Raises:
        QualityError: it is farther away, or gives no numbers.
        MisuseError: (a ValueError) no such type; a function, which cannot be cast; see `assert_causal`.
    """
    from pytest_llm.inference.contracts.precision import TYPES, dtype_closeness
    from pytest_llm.inference.contracts.subject import subject

    if dtype not in TYPES:
        raise MisuseError(f"dtype={dtype!r}: expected {', '.join(map(repr, TYPES))}")
    return conclude(judge_contract(dtype_closeness(subject(model, texts=texts, ids=ids, length=length), dtype, limit)))


@assertion
def assert_device_close(
    model: Any,
    device: str = "cuda",
    *,
    texts: Texts = None,
    ids: Ids = None,
    length: int | None = None,
    tolerance: float | None = None,
) -> Measurement:
    """Assert that a model gives the same logits on another device, up to rounding.

    Args:
        model: see the module's text; with a torch module behind it, which is copied there.
        device: "cuda", "cuda:1", "mps", "cpu". Nothing is skipped: where it is missing, that is an error. Mark the test `llm_gpu`.
        texts: as in `assert_causal`, and so the following.
        ids: token ids.
        length: of each text.
        tolerance: how far a logit may be off; None: measured, on the model's own device.

    Raises:
        QualityError: a logit is farther off.
        MisuseError: (a ValueError) no such device on this machine; see `assert_causal`.
    """
    from pytest_llm.inference.contracts.precision import device_closeness
    from pytest_llm.inference.contracts.subject import subject
    from pytest_llm.models.devices import choose_device

    choose_device(device)  # before anything is read
    asked = subject(model, texts=texts, ids=ids, length=length, tolerance=tolerance)
    return conclude(judge_contract(device_closeness(asked, device)))


@assertion
def assert_tokenizer_round_trips(
    model: Any, texts: Texts = None, *, exactly: Literal["text", "tokens"] | None = None
) -> Measurement:
    """Assert that what is cut into tokens and put together again is the text that it was.

    Args:
        model: a model with a tokenizer, as elsewhere; or a tokenizer of `transformers`.
        texts: None: real scripts, emoji, control characters and spaces, which tokenizers are known to lose.
        exactly: "text": `decode(encode(x)) == x`. "tokens": `encode(decode(encode(x))) == encode(x)`, which is all that a tokenizer
            can promise that lower-cases, composes or drops spaces, such as BERT's. None: "text", unless the tokenizer
            normalises or cuts into word pieces; the verdict says which was asked.

    Raises:
        QualityError: a text (or its tokens) comes back otherwise, or a token is outside the vocabulary.
        MisuseError: (a ValueError) no tokenizer, or no texts.
    """
    from pytest_llm.inference.contracts.tokenization import round_trips

    return conclude(judge_contract(round_trips(model, texts, exactly)))


@assertion
def assert_attention_close(
    kernel: Callable[..., Any],
    *,
    masks: Sequence[Literal["none", "causal", "boolean", "additive"]] | None = None,
    dtypes: Sequence[str] = ("float32",),
    grouped: bool = False,
    examples: int = 100,
    device: str = "cpu",
) -> Measurement:
    """Assert that an attention kernel is softmax(q·kᵀ/√d)·v, up to rounding, whatever the shape.

    Hypothesis draws shapes, masks, magnitudes and strides, and shrinks one that breaks to the smallest that still does; the
    search is the same each time. The formula is computed in float64, and so is the bound of what rounding explains at each entry.
    A query that may look nowhere has no value by the formula: the kernel has to give some finite one, since NaN spreads.

    Args:
        kernel: called as `scaled_dot_product_attention(query, key, value, attn_mask=…, is_causal=…)` with `[batch, heads, places,
            width]`; wrap one of another form in a function. A boolean mask is True where a query may look, an additive one is
            added to the scores; both are `[batch, 1, queries, keys]`. Causal questions have as many queries as keys.
        masks: which of these it is asked; None: those that its keywords allow.
        dtypes: "float32", "float64", "bfloat16", "float16".
        grouped: whether keys and values may have fewer heads than queries; `enable_gqa=True` is passed if it is taken.
        examples: how many shapes are drawn.
        device: where.

    Raises:
        QualityError: an output is farther from the formula, is no number, or the kernel raises; with the smallest shape.
        MisuseError: (a ValueError) no such type or mask, or an answer of another shape than the queries.

    Example:
        >>> assert_attention_close(torch.nn.functional.scaled_dot_product_attention, grouped=True)  # doctest: +SKIP
    """
    from pytest_llm.adversarial.attention import DTYPES, MASKS, attention_closeness

    if not callable(kernel):
        raise MisuseError(f"{type(kernel).__name__} is no kernel: expected a function of query, key and value")
    for name, given, known in (("dtypes", dtypes, DTYPES), ("masks", masks, MASKS)):
        if given is not None and (isinstance(given, str) or not given or set(given) - set(known)):
            raise MisuseError(f"{name}={given!r}: expected some of {', '.join(map(repr, known))}")
    if not isinstance(examples, int) or examples < 1:
        raise MisuseError(f"examples={examples!r}: expected at least 1")
    found = attention_closeness(kernel, masks=masks, dtypes=dtypes, grouped=grouped, examples=examples, device=device)
    return conclude(judge_contract(found))
