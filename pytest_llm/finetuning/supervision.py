"""From examples and a task to what a model is shown and should say: its head's label, or the answer after the prompt.

Texts become tokens as they do when the model is measured with that task: the same prompts, label words and special tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_llm.data.example import Example
from pytest_llm.data.loading import Data, load_examples
from pytest_llm.errors import MisuseError
from pytest_llm.finetuning.epochs import Epochs, Item
from pytest_llm.inference.writing import prompt_of
from pytest_llm.models.checkpoint import Checkpoint
from pytest_llm.models.classifier_model import ClassifierModel
from pytest_llm.models.encoder_decoder_model import EncoderDecoderModel
from pytest_llm.models.encoding import encode_pair
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.pretraining.batch import IGNORED
from pytest_llm.tasks.choose import Choose
from pytest_llm.tasks.classify import Classify
from pytest_llm.tasks.generate import Generate
from pytest_llm.tasks.prompt import Prompt, fill
from pytest_llm.tasks.task import Task


def supervision(model: Checkpoint, data: Data, task: Task | None = None, *, rows: int = 16, seed: int = 0) -> Epochs:
    """The examples as an objective for the model's `module`.

    Args:
        model: whose tokenizer and labels are used.
        data: rows with `text` and `target`; see `load_examples`.
        task: `Classify`, `Choose` or `Generate`; None: see `finetune`.
        rows: examples in a batch.
        seed: of their order.

    Raises:
        MisuseError: a model that cannot learn this task, an example without a target or with one that is no label, a text
            that is longer than the model reads.
    """
    examples = load_examples(data)
    for example in examples:
        if example.target is None:
            raise MisuseError(f"example {example.label} has no target: there is nothing that could be learned from it")
    if isinstance(model, ClassifierModel):
        items = _labelled(model, examples, task)
    elif isinstance(model, TransformersModel | EncoderDecoderModel):
        items = _answered(model, examples, task)
    else:
        raise MisuseError(
            f"{model.name} ({type(model).__name__}) neither labels nor writes texts: put a head on it, "
            f"classifier_of(model, labels)"
        )
    return Epochs(items, rows, seed)


def _labelled(model: ClassifierModel, examples: Sequence[Example], task: Task | None) -> list[Item]:
    """Each text with the number of its label."""
    head = Classify() if task is None else task
    if not isinstance(head, Classify) or head.words is not None:
        raise MisuseError(
            f"{model.name} has a head for labels, which answers Classify() and no other task: {task!r:.80}"
        )
    if model.module.config.problem_type == "multi_label_classification":
        raise MisuseError(f"{model.name} gives a text several labels, which is not learned here")
    number_of = {label: number for number, label in enumerate(model.labels)}
    for example in examples:
        if example.target not in number_of:
            raise MisuseError(
                f"the target of example {example.label} is {example.target!r}, which is none of the labels of {model.name}: "
                f"{model.labels!r}"
            )
    framed = model.fitting([example.text for example in examples], truncate=head.truncate)
    return [
        Item({"input_ids": frame.whole}, number_of[example.target])
        for frame, example in zip(framed, examples, strict=True)
    ]


def _answered(
    model: TransformersModel | EncoderDecoderModel, examples: Sequence[Example], task: Task | None
) -> list[Item]:
    """Each prompt with the answer that should follow."""
    pairs = list(_pairs(model, examples, Generate() if task is None else task))
    ends = not isinstance(task, Classify | Choose)  # a text that is written has to end; a label word is only compared
    if isinstance(model, EncoderDecoderModel):
        return _decoded(model, pairs)
    items = []
    for example, (prompt, answer) in zip(examples, pairs, strict=True):
        before, after = encode_pair(model.tokenizer, prompt, answer, model.prefix_token)
        end = model.tokenizer.eos_token_id if ends else None
        whole = (*before, *after, *(() if end is None else (end,)))
        if len(whole) > model.max_length + 1:
            raise MisuseError(
                f"example {example.label} has {len(whole)} tokens with its prompt and answer, more than the {model.max_length} "
                f"that {model.name} reads: shorten it, or use fewer shots"
            )
        targets = [IGNORED] * (len(before) - 1) + list(whole[len(before) :])
        items.append(Item({"input_ids": whole[:-1]}, tuple(targets)))
    return items


def _pairs(model: Checkpoint, examples: Sequence[Example], task: Task) -> Iterator[tuple[str, str]]:
    if isinstance(task, Classify) and task.words is not None:
        choose = task.choose
        for example in examples:
            if example.target not in task.words:
                raise MisuseError(
                    f"the target of example {example.label} is {example.target!r}, which is none of the labels "
                    f"{list(task.words)!r}"
                )
            assert isinstance(choose.prompt, Prompt)
            yield prompt_of(model, example, choose.prompt), choose.delimiter + task.words[example.target]
    elif isinstance(task, Choose):
        for example in examples:
            choices = task.choices_of(example)
            if example.target not in range(len(choices)):
                raise MisuseError(
                    f"the target of example {example.label} is {example.target!r}: expected the number of the right choice, "
                    f"0 to {len(choices) - 1}"
                )
            assert isinstance(task.prompt, Prompt)
            yield prompt_of(model, example, task.prompt), task.delimiter + choices[example.target]
    elif isinstance(task, Generate):
        assert isinstance(task.prompt, Prompt)
        for example in examples:
            yield prompt_of(model, example, task.prompt), fill(task.prompt.answer, example)
    else:
        raise MisuseError(
            f"{model.name} is tuned for Classify (with labels), Choose or Generate, not for {type(task).__name__}"
        )


def _decoded(model: EncoderDecoderModel, pairs: Sequence[tuple[str, str]]) -> list[Item]:
    """Of an encoder-decoder: the source is read, the target written from the start token to its own end."""
    sources = model.framed([source for source, _ in pairs])
    targets = model.framed([target for _, target in pairs], as_target=True)
    start = model.start_token
    assert start is not None  # checked when the model was wrapped
    items = []
    for (source, target), read, written in zip(pairs, sources, targets, strict=True):
        for what, text, count, most in (
            ("source", source, len(read.whole), model.max_length),
            ("target", target, len(written.whole), model.max_target_length),
        ):
            if count > most:
                raise MisuseError(
                    f"the {what} {text[:40]!r}… has {count} tokens, but {model.name} reads at most {most}: shorten it"
                )
        given = [IGNORED] * len(written.before)  # special tokens that are forced when it generates
        items.append(
            Item(
                {"input_ids": read.whole, "decoder_input_ids": (start, *written.whole[:-1])},
                (*given, *written.whole[len(given) :]),
            )
        )
    return items
